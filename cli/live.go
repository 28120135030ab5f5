package cli

import (
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/cli/render"
)

// change is one step of a list that is watched.
type change[T proto.Message] struct {
	// key names the row, in the order of the table.
	key string
	row T
	// gone: the row left the list.
	gone bool
}

// redrawEvery bounds how often a live table is drawn: a burst of changes is
// one picture.
const redrawEvery = 100 * time.Millisecond

// checkLive refuses the flags of a list that its feed would pass over: those
// named, and the order and the page.
func (c *call) checkLive(more ...string) error {
	for _, name := range append(more, "order-by", "page-size", "page-token") {
		if c.IsSet(name) {
			return usage("--watch does not go with --%s: a feed comes whole, in the order of the log", name)
		}
	}
	return nil
}

// live shows a list that goes on. On a terminal it is a table that is drawn
// anew; else, and for programs, each message of the feed is a line.
//
// step turns a message into a change of the table; false means that it is
// none.
func live[M, T proto.Message](c *call, lines render.View[M], rows render.View[T], feed iter.Seq2[M, error], step func(M) (change[T], bool)) error {
	if !c.out.TTY || (c.out.Format != render.Table && c.out.Format != render.Wide) {
		for m, err := range feed {
			if err != nil {
				return err
			}
			if err := render.Line(c.out, lines, m); err != nil {
				return err
			}
		}
		return nil
	}
	return screen(c, rows, feed, step)
}

// screen draws until the feed ends. The feed is read by a goroutine of its
// own, which ends when the feed does or the screen is left.
func screen[M, T proto.Message](c *call, view render.View[T], feed iter.Seq2[M, error], step func(M) (change[T], bool)) error {
	type message struct {
		m   M
		err error
	}
	messages := make(chan message)
	left := make(chan struct{})
	defer close(left)
	go func() {
		defer close(messages)
		for m, err := range feed {
			select {
			case messages <- message{m, err}:
			case <-left:
				return
			}
		}
	}()
	rows := make(map[string]T)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for changed := true; ; {
		select {
		case got, ok := <-messages:
			if !ok || got.err != nil {
				// What came last is shown before the error is.
				return errors.Join(draw(c, view, rows), got.err)
			}
			if now, is := step(got.m); is {
				changed = true
				rows[now.key] = now.row
				if now.gone {
					delete(rows, now.key)
				}
			}
		case <-ticker.C:
			if !changed {
				continue
			}
			changed = false
			if err := draw(c, view, rows); err != nil {
				return err
			}
		}
	}
}

// draw clears the screen and shows the rows in one write, so that nothing
// flickers.
func draw[T proto.Message](c *call, view render.View[T], rows map[string]T) error {
	items := make([]T, 0, len(rows))
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		items = append(items, rows[key])
	}
	var b strings.Builder
	b.WriteString("\x1b[H\x1b[2J")
	if err := render.List(render.Output{W: &b, Format: c.out.Format, TTY: true}, view, items, 0, ""); err != nil {
		return err
	}
	_, err := io.WriteString(c.out.W, b.String())
	return err
}
