package cli

import (
	"fmt"
	"io"
	"strings"
)

// progress is one line on a terminal's stderr that is written over and over; where
// stderr is no terminal it shows nothing.
type progress struct {
	w     io.Writer // nil shows nothing
	width int
	last  string
}

// maxProgress bounds the line, so that it is not wrapped on most terminals.
const maxProgress = 160

func (c *call) progress() *progress {
	if !isTerminal(c.App.ErrWriter) {
		return &progress{}
	}
	return &progress{w: c.App.ErrWriter}
}

func (p *progress) show(text string) {
	if len(text) > maxProgress {
		text = text[:maxProgress-3] + "..."
	}
	if p.w == nil || text == p.last {
		return
	}
	pad := max(0, p.width-len(text))
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", pad))
	p.width, p.last = len(text), text
}

// done leaves the last line as it is.
func (p *progress) done() {
	if p.w != nil && p.width > 0 {
		fmt.Fprintln(p.w)
	}
}
