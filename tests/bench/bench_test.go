package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain is also the etcd process: the test binary starts itself.
func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(etcdVariable); ok {
		os.Exit(etcdMain(dir))
	}
	os.Exit(m.Run())
}

// TestGroups runs each group for a moment: that it works and finds a figure for
// each line, not which.
func TestGroups(t *testing.T) {
	r, err := newRun(options{short: true, reps: 1}, t.Output())
	if err != nil {
		t.Skip("no disk to measure on:", err)
	}
	defer r.close()
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			from := len(r.lines)
			if err := r.group(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if len(r.lines) < from+2 {
				t.Fatalf("the group has no line: %v", r.lines[from:])
			}
			for _, l := range r.lines[from+1:] {
				if math.IsNaN(l.ours) || l.ours < 0 || l.beside && !(l.theirs > 0) {
					t.Errorf("%q has no figures: ours %v, theirs %v", l.what, l.ours, l.theirs)
				}
			}
		})
	}
	var table bytes.Buffer
	if err := r.print(&table); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(table.String()) {
		if strings.HasPrefix(l, "|") && strings.Count(l, "|") != 7 {
			t.Errorf("a row has not six columns: %s", l)
		}
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		part float64
		want float64
	}{
		{nil, 0.5, 0},
		{[]float64{3}, 0.99, 3},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{4, 1, 3, 2}, 0, 1},
	} {
		if got := quantile(c.of, c.part); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.of, c.part, got, c.want)
		}
	}
}

// TestLine holds how a ratio is made of neighbours, and when a target is reached.
func TestLine(t *testing.T) {
	r := &run{log: t.Output()}
	r.add("speed", perSecond, ratioAtLeast(2), []float64{10, 30, 40}, []float64{10, 10, 10})
	r.add("time", seconds, atMost(seconds, 0.015), []float64{0.02}, nil)
	if l := r.lines[0]; l.ratio != 3 || l.cells()[5] != "yes" {
		t.Errorf("ratio %v, reached %s; want 3, yes", l.ratio, l.cells()[5])
	}
	if c := r.lines[1].cells(); c[1] != "20 ms" || c[4] != "≤ 15 ms" || c[5] != "**no**" {
		t.Errorf("cells %q", c)
	}
}

// TestClosedLoop: an error ends the loop and is what it returns.
func TestClosedLoop(t *testing.T) {
	rate, err := closed(t.Context(), 4, 10*time.Millisecond, func(_ context.Context, _ int) error { return nil })
	if err != nil || rate <= 0 {
		t.Errorf("rate %v, error %v", rate, err)
	}
	if _, err := closed(t.Context(), 4, time.Minute, func(_ context.Context, i int) error {
		if i == 3 {
			return os.ErrInvalid
		}
		return nil
	}); err != os.ErrInvalid {
		t.Errorf("error %v, want the caller's", err)
	}
}
