package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// verb is a command that talks to the mesh.
type verb struct {
	name, usage string
	// args is how the arguments are shown; min and max how many there are, max
	// -1 without an end.
	args     string
	min, max int
	flags    []cli.Flag
	// timeout is the default of --timeout.
	timeout time.Duration
	run     func(*call) error
	// local says that a run needs no server; nil is never.
	local func(*cli.Context) bool
}

// always is local for verbs that talk to no server at all.
func always(*cli.Context) bool { return true }

// defaultTimeout is --timeout where a verb says nothing else.
const defaultTimeout = 10 * time.Second

func (v verb) command() *cli.Command {
	if v.timeout == 0 {
		v.timeout = defaultTimeout
	}
	return &cli.Command{
		Name: v.name, Usage: v.usage, ArgsUsage: v.args,
		Flags: withoutZeros(append(connectionFlags(v.timeout), v.flags...)),
		Action: func(c *cli.Context) error {
			if n := c.NArg(); n < v.min || (v.max >= 0 && n > v.max) {
				return usage("%s takes %s, not %s", v.name, v.takes(), plural(n, "argument"))
			}
			call, err := newCall(c, v.local != nil && v.local(c))
			if err != nil {
				return err
			}
			defer call.close()
			return call.ended(v.run(call))
		},
	}
}

// withoutZeros has --help say that a flag has no default: the library would print the
// zero of its type, which is often no value that the flag takes.
func withoutZeros(flags []cli.Flag) []cli.Flag {
	const none = "none"
	for _, flag := range flags {
		switch f := flag.(type) {
		case *cli.BoolFlag:
			f.DisableDefaultText = !f.Value
		case *cli.IntFlag:
			if f.Value == 0 && f.DefaultText == "" {
				f.DefaultText = none
			}
		case *cli.Int64Flag:
			if f.Value == 0 && f.DefaultText == "" {
				f.DefaultText = none
			}
		case *cli.Float64Flag:
			if f.Value == 0 && f.DefaultText == "" {
				f.DefaultText = none
			}
		case *cli.DurationFlag:
			if f.Value == 0 && f.DefaultText == "" {
				f.DefaultText = none
			}
		}
	}
	return flags
}

func (v verb) takes() string {
	if v.max == 0 {
		return "no arguments"
	}
	return v.args
}

// call is one run of a verb.
type call struct {
	*cli.Context
	// ctx is bounded by --timeout; feed is not, for what goes on until it is
	// interrupted. Both end with the call.
	ctx, feed context.Context
	client    *client.Client
	out       render.Output
	cancel    func()
}

// newCall has no client when the call is local.
func newCall(c *cli.Context, local bool) (*call, error) {
	format, err := render.ParseFormat(c.String("output"))
	if err != nil {
		return nil, usage("%s", err)
	}
	timeout := c.Duration("timeout")
	if timeout <= 0 {
		return nil, usage("--timeout is %s (allowed: more than 0, for example 30s)", timeout)
	}
	var mesh *client.Client
	if !local {
		if mesh, err = dial(c, timeout); err != nil {
			return nil, err
		}
	}
	feed, cancelFeed := context.WithCancelCause(c.Context)
	ctx, cancel := context.WithTimeout(feed, timeout)
	if out, ok := c.App.Writer.(*os.File); ok {
		go func() {
			if readerGone(out, feed.Done()) {
				cancelFeed(errReaderGone)
			}
		}()
	}
	return &call{
		Context: c, ctx: ctx, feed: feed, client: mesh, cancel: func() { cancel(); cancelFeed(nil) },
		out: render.Output{W: c.App.Writer, Format: format, TTY: isTerminal(c.App.Writer)},
	}, nil
}

func (c *call) close() {
	c.cancel()
	if c.client != nil {
		c.client.Close()
	}
}

// ended turns the interrupt that ends a feed into a good end. Where nobody
// reads any more, that is what counts: with "| head -1" a feed may have nothing
// to write for hours, and would not find out by itself.
func (c *call) ended(err error) error {
	if errors.Is(context.Cause(c.feed), errReaderGone) {
		return errReaderGone
	}
	if err != nil && c.Context.Context.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// isTerminal says whether a reader or writer of the app is a terminal. A test
// may bring one of its own.
func isTerminal(x any) bool {
	switch f := x.(type) {
	case interface{ IsTerminal() bool }:
		return f.IsTerminal()
	case *os.File:
		return term.IsTerminal(int(f.Fd()))
	}
	return false
}

// confirm asks before something that is hard to take back.
func (c *call) confirm(format string, args ...any) error {
	if c.Bool("yes") || c.Bool("dry-run") {
		return nil
	}
	if !isTerminal(c.App.Reader) {
		return usage("%s asks before it acts and there is no terminal to ask on: give --yes (or --dry-run)", c.Command.FullName())
	}
	fmt.Fprintf(c.App.ErrWriter, format+" [y/N] ", args...)
	line, err := bufio.NewReader(c.App.Reader).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

// mutation is what the flags of a mutating verb say.
func (c *call) mutation() *controlv1.Mutation {
	return &controlv1.Mutation{
		Reason: c.String("reason"), ChangeTicket: c.String("ticket"), IdempotencyKey: c.String("idempotency-key"),
		IfVersion: c.Int64("if-version"), DryRun: c.Bool("dry-run"),
	}
}

// receipt shows what a mutation came to; done says it in words, for example
// "namespace demo created".
func (c *call) receipt(r *controlv1.Receipt, done string) error {
	if c.out.Format == render.Name {
		return nil // the names are what was given
	}
	words := fmt.Sprintf("%s at position %d", done, r.GetPosition())
	switch {
	case r.GetDryRun():
		words = fmt.Sprintf("dry run: nothing was written; would log %s (%s)", list(r.GetEvents()), done)
	case r.GetReplayed():
		words += ", by an earlier call with the same key"
	case len(r.GetEvents()) == 0:
		words = fmt.Sprintf("%s: nothing to change, at position %d", done, r.GetPosition())
	}
	return render.Message(c.out, r, words)
}

func list(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
