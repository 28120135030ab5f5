package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// verifyTimeout is the default of log verify: it reads the whole log.
const verifyTimeout = 10 * time.Minute

func eventFilters() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "in", Usage: "events of this log `CONTEXT`: membership, leadership, shard …"},
		&cli.StringFlag{Name: "type", Usage: "events of this `TYPE`, for example ShardsAssigned"},
		&cli.StringFlag{Name: "id", Aliases: []string{"entity"}, Usage: "events about this node, namespace, shard (NS/ID), scope or schedule (schedule/NAME)"},
		&cli.StringFlag{Name: "actor", Usage: "events by this `ACTOR`"},
		&cli.StringFlag{Name: "correlation", Usage: "events with this correlation `ID`"},
	}
}

func logCommand(archives Archives) *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "read the log itself",
		Subcommands: []*cli.Command{
			verb{name: "tail", usage: "print events, a line each, up to the head or for ever", run: tailLog, flags: append(readFlags(
				&cli.StringFlag{Name: "from", Usage: "start at position `N`; at the first event if not given"},
				&cli.IntFlag{Name: "last", Usage: "start `N` positions before the head"},
				&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with events as they come"},
			), eventFilters()...)}.command(),
			verb{name: "show", usage: "show an event", args: "POSITION", min: 1, max: 1, run: showEvent, flags: readFlags()}.command(),
			verb{name: "verify", usage: "check the log and its hash chain; exit 8 if they are damaged", timeout: verifyTimeout, flags: []cli.Flag{
				&cli.StringFlag{Name: "from", Usage: "start at position `N`; at the first event if not given"},
				&cli.StringFlag{Name: "archive", Usage: "check the archive `FILE` instead, without a server; - is the standard input"},
			}, local: func(c *cli.Context) bool { return c.IsSet("archive") },
				run: func(c *call) error { return verifyLog(c, archives) }}.command(),
			backupVerb().command(), restoreVerb(archives).command(), sealVerb().command(), unsealVerb().command(),
		},
	}
}

func eventView() render.View[*controlv1.LogEvent] {
	return render.View[*controlv1.LogEvent]{
		Ref: func(e *controlv1.LogEvent) string { return number(e.GetPosition()) },
		Columns: []render.Column[*controlv1.LogEvent]{
			{Name: "POSITION", Value: func(e *controlv1.LogEvent) string { return number(e.GetPosition()) }},
			{Name: "TIME", Width: 24, Value: func(e *controlv1.LogEvent) string { return clock(e.GetTime()) }},
			{Name: "CONTEXT", Wide: true, Value: (*controlv1.LogEvent).GetContext},
			{Name: "TYPE", Width: 20, Value: (*controlv1.LogEvent).GetType},
			{Name: "ID", Width: 14, Value: func(e *controlv1.LogEvent) string { return dash(e.GetId()) }},
			{Name: "ACTOR", Width: 12, Value: func(e *controlv1.LogEvent) string { return dash(e.GetActor()) }},
			{Name: "REASON", Wide: true, Value: func(e *controlv1.LogEvent) string { return dash(e.GetReason()) }},
			{Name: "TICKET", Wide: true, Value: func(e *controlv1.LogEvent) string { return dash(e.GetChangeTicket()) }},
			{Name: "CORRELATION", Wide: true, Value: func(e *controlv1.LogEvent) string { return dash(e.GetCorrelationId()) }},
			{Name: "SUMMARY", Value: (*controlv1.LogEvent).GetSummary},
		},
	}
}

// from reads --from; 0 means not given.
func (c *call) from() (int64, error) {
	if !c.IsSet("from") {
		return 0, nil
	}
	return parsePosition("--from", c.String("from"))
}

func tailLog(c *call) error {
	from, err := c.from()
	if err != nil {
		return err
	}
	if c.IsSet("last") {
		if from, err = c.last(from); err != nil {
			return err
		}
	}
	if c.IsSet("as-of") {
		return tailPast(c, from)
	}
	err = tailFrom(c, from)
	var e *client.Error
	if c.IsSet("last") && errors.As(err, &e) && e.Reason == "position_void" {
		// So far back lies the hole of a restore. There are fewer events than that.
		err = tailFrom(c, e.Position)
	}
	return err
}

func tailFrom(c *call, from int64) error {
	req := &controlv1.TailRequest{
		After: proto.Int64(max(from-1, 0)), UntilHead: !c.Bool("follow"),
		Context: c.String("in"), Type: c.String("type"), Id: c.String("id"), Actor: c.String("actor"), CorrelationId: c.String("correlation"),
	}
	for e, err := range c.client.Log.Tail(c.feed, req) {
		if err != nil {
			return tailError(err, from)
		}
		if err := render.Line(c.out, eventView(), e); err != nil {
			return err
		}
	}
	return nil
}

// tailPast prints the events that there were as of a position or time.
func tailPast(c *call, from int64) error {
	for _, name := range []string{"follow", "last"} {
		if c.IsSet(name) {
			return usage("--as-of is the past, and --%s counts from now: give one of the two", name)
		}
	}
	req, err := c.listRequest(from)
	if err != nil {
		return err
	}
	for e, err := range c.client.Log.All(c.feed, req) {
		if err != nil {
			return err
		}
		if err := render.Line(c.out, eventView(), e); err != nil {
			return err
		}
	}
	return nil
}

// tailError words the refusal of a first position that lies beyond the head:
// the request names the one before it.
func tailError(err error, from int64) error {
	var e *client.Error
	if errors.As(err, &e) && e.Reason == "position_ahead" {
		return usage("--from is %d, beyond the head (allowed: 1 to %d)", from, e.Position+1)
	}
	return err
}

// last turns --last into a first position.
func (c *call) last(from int64) (int64, error) {
	n := int64(c.Int("last"))
	if from != 0 {
		return 0, usage("--from and --last are two starts: give one of the two")
	}
	if n < 0 {
		return 0, usage("--last is %d (allowed: 0 or more)", n)
	}
	status, err := c.client.System.Status(c.ctx, &controlv1.GetStatusRequest{})
	if err != nil {
		return 0, err
	}
	return max(status.GetPosition()-n+1, 1), nil
}

func showEvent(c *call) error {
	position, err := parsePosition("POSITION", c.Args().First())
	if err != nil {
		return err
	}
	if c.IsSet("as-of") {
		if err := c.checkThere(position); err != nil {
			return err
		}
	}
	e, err := c.client.Log.Get(c.ctx, position)
	if err != nil {
		return err
	}
	return render.Record(c.out, eventView(), e)
}

// checkThere refuses an event that was not there as of --as-of.
func (c *call) checkThere(position int64) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	page, err := c.client.Log.List(c.ctx, &controlv1.ListEventsRequest{From: position, Limit: 1, Read: read})
	if err != nil {
		return err
	}
	// A position inside a decision is a place on the log, if not one of a state.
	if head := page.GetPosition(); position > max(head, read.GetAsOfPosition()) {
		return &client.Error{
			Code: connect.CodeNotFound, Position: head,
			Message: fmt.Sprintf("event %d was not there as of %s: the log ended at position %d", position, c.String("as-of"), head),
		}
	}
	return nil
}

func verifyLog(c *call, archives Archives) error {
	verify := c.verifyServer
	if c.IsSet("archive") {
		verify = func() (*controlv1.VerifyResponse, error) { return verifyArchive(c, archives) }
	}
	v, err := verify()
	if err != nil {
		return err
	}
	words := fmt.Sprintf("ok: %s, %s, up to position %d, head %s", plural(int(v.GetFrames()), "frame"), plural(int(v.GetEvents()), "event"), v.GetPosition(), v.GetHeadHash())
	if !v.GetOk() {
		words = fmt.Sprintf("damaged at position %d: %s; proven up to position %d", v.GetProblemPosition(), v.GetProblem(), v.GetPosition())
	}
	if err := render.Message(c.out, v, words); err != nil {
		return err
	}
	if !v.GetOk() {
		return errDifference
	}
	return nil
}

func (c *call) verifyServer() (*controlv1.VerifyResponse, error) {
	from, err := c.from()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.feed, c.Duration("timeout"))
	defer cancel()
	return c.client.Log.Verify(ctx, from)
}
