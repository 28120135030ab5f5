package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unit is how a figure is written.
type unit int

const (
	perSecond unit = iota // operations per second
	seconds               // a duration
	mebibytes
	count
	ofCore // processor time by time: 1 is a whole core
)

func (u unit) text(v float64) string {
	switch u {
	case seconds:
		switch {
		case v < 1e-6:
			return fmt.Sprintf("%.0f ns", v*1e9)
		case v < 1e-3:
			return fmt.Sprintf("%.3g µs", v*1e6)
		case v < 1:
			return fmt.Sprintf("%.3g ms", v*1e3)
		}
		return fmt.Sprintf("%.3g s", v)
	case mebibytes:
		return fmt.Sprintf("%.0f MiB", v)
	case count:
		return fmt.Sprintf("%.0f", v)
	case ofCore:
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	if v >= 1000 {
		return fmt.Sprintf("%.3g k/s", v/1000)
	}
	return fmt.Sprintf("%.3g /s", v)
}

// goal is what a line should reach: a bound of the ratio ours/theirs or of ours.
type goal struct {
	text  string
	reach func(l line) bool
}

func ratioAtLeast(n float64) goal {
	return goal{fmt.Sprintf("≥ %g ×", n), func(l line) bool { return l.ratio >= n }}
}

func ratioAtMost(n float64) goal {
	return goal{fmt.Sprintf("≤ %g ×", n), func(l line) bool { return l.ratio <= n }}
}

func atMost(u unit, n float64) goal {
	return goal{"≤ " + u.text(n), func(l line) bool { return l.ours <= n }}
}

func atLeast(u unit, n float64) goal {
	return goal{"≥ " + u.text(n), func(l line) bool { return l.ours >= n }}
}

// allOf is reached when each is.
func allOf(a, b goal) goal {
	return goal{a.text + ", " + b.text, func(l line) bool { return a.reach(l) && b.reach(l) }}
}

// line is one row of the table; without figures it is a heading or a failure.
type line struct {
	group        string
	what         string
	unit         unit
	goal         goal
	beside       bool // theirs and ratio were measured
	ours, theirs float64
	ratio        float64
}

// cells are the columns of the table.
func (l line) cells() []string {
	if l.group != "" {
		return []string{"**" + l.group + "**: " + l.what, "", "", "", "", ""}
	}
	c := []string{l.what, l.unit.text(l.ours), "", "", l.goal.text, ""}
	if l.beside {
		c[2], c[3] = l.unit.text(l.theirs), strconv.FormatFloat(l.ratio, 'g', 3, 64)
	}
	if l.goal.reach != nil {
		c[5] = "**no**"
		if l.goal.reach(l) {
			c[5] = "yes"
		}
	}
	return c
}

func (l line) text() string {
	return strings.Join(slices.DeleteFunc(l.cells(), func(s string) bool { return s == "" }), " | ")
}

// print writes the table as Markdown.
func (r *run) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s, commit %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), commit())
	for _, n := range r.notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	fmt.Fprintf(&b, "- medians of %d repetitions of %s, sides in turn; the ratio is the median of the ratios of neighbours\n\n", r.reps, r.window)
	b.WriteString("| what | ours | theirs | ratio | target | reached |\n|---|--:|--:|--:|--:|---|\n")
	for _, l := range r.lines {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(l.cells(), " | "))
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

func (r *run) appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := r.print(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
