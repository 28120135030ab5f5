package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// connectionFlags are common to all verbs of the mesh.
func connectionFlags(timeout time.Duration) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "endpoint", EnvVars: []string{"OMNIRELAY_ENDPOINT"}, Usage: "`URL[,URL…]` of servers; keeps a context's credentials if it names one of them"},
		&cli.StringFlag{Name: "token", EnvVars: []string{"OMNIRELAY_TOKEN"}, Usage: "bearer `TOKEN`"},
		&cli.StringFlag{Name: "identity", EnvVars: []string{"OMNIRELAY_IDENTITY"}, Usage: "`DIR` with ca.pem, cert.pem and key.pem"},
		&cli.StringFlag{Name: "context", EnvVars: []string{"OMNIRELAY_CONTEXT"}, Usage: "`NAME` of the context to use instead of the current one"},
		&cli.DurationFlag{Name: "timeout", Value: timeout, Usage: "`TIME` that the call may take, retries included"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: string(render.Table), Usage: "`FORMAT`: " + strings.Join(render.Formats(), ", ")},
	}
}

// readFlags are for reads of a state.
func readFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "as-of", Usage: "read the state as of `P|TIME|-5m`: a position, a time (RFC 3339) or that long ago"},
	}, more...)
}

// listFlags are for lists of a state.
func listFlags(more ...cli.Flag) []cli.Flag {
	return append(readFlags(
		&cli.IntFlag{Name: "page-size", Usage: "one page of `N` items, not all"},
		&cli.StringFlag{Name: "page-token", Usage: "the page of this `TOKEN`, with --page-size"},
		&cli.StringFlag{Name: "order-by", Usage: "`FIELD` to order by, - before it for descending"},
		&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on: redraw on a terminal, else a line per change"},
	), more...)
}

// mutateFlags are for verbs that change something.
func mutateFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
		&cli.BoolFlag{Name: "dry-run", Usage: "decide and answer, write nothing"},
		&cli.StringFlag{Name: "reason", Usage: "`WHY`, kept in the log"},
		&cli.StringFlag{Name: "ticket", Usage: "change `TICKET`, kept in the log"},
		&cli.StringFlag{Name: "idempotency-key", Usage: "`UUIDv7`: the same key has one effect, however often"},
		&cli.Int64Flag{Name: "if-version", Usage: "only if the record has version `N`"},
	}, more...)
}

// readOptions reads --as-of. now is the caller's: as-of -5m is counted from
// there.
func (c *call) readOptions(now time.Time) (*controlv1.ReadOptions, error) {
	if !c.IsSet("as-of") {
		return nil, nil
	}
	if c.Bool("watch") {
		return nil, usage("--as-of is the past, and --watch goes on: give one of the two")
	}
	return parseAsOf(c.String("as-of"), now)
}

const asOfAllowed = "a position above 0, a time as RFC 3339, or how long ago, for example -5m"

func parseAsOf(s string, now time.Time) (*controlv1.ReadOptions, error) {
	if position, err := strconv.ParseInt(s, 10, 64); err == nil {
		if position <= 0 {
			return nil, usage("--as-of: %s is no position (allowed: %s)", s, asOfAllowed)
		}
		return &controlv1.ReadOptions{AsOfPosition: position}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return &controlv1.ReadOptions{AsOfTime: timestamppb.New(t)}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d < 0 {
		return &controlv1.ReadOptions{AsOfTime: timestamppb.New(now.Add(d))}, nil
	}
	return nil, usage("--as-of: %q is neither position nor time (allowed: %s)", s, asOfAllowed)
}

// position reads an argument or flag that is a position.
func parsePosition(name, s string) (int64, error) {
	position, err := strconv.ParseInt(s, 10, 64)
	if err != nil || position <= 0 {
		return 0, usage("%s: %q is no position (allowed: a whole number above 0)", name, s)
	}
	return position, nil
}

// maxPage is the most that a server puts on a page; all pages are followed
// where no size is given.
const maxPage = 1000

// pageSize reads --page-size; 0 means all pages.
func (c *call) pageSize() (int32, error) {
	if !c.IsSet("page-size") {
		if c.IsSet("page-token") {
			return 0, usage("--page-token goes with --page-size")
		}
		return 0, nil
	}
	n := c.Int("page-size")
	if n < 1 || n > maxPage {
		return 0, usage("--page-size is %d (allowed: 1 to %d)", n, maxPage)
	}
	return int32(n), nil
}
