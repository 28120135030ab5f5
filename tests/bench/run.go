package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// run is one run of the program: where its data is, what it has found.
type run struct {
	options
	log   io.Writer
	lines []line
	notes []string
	// window is how long one repetition of a closed loop lasts.
	window time.Duration
	// scale divides the sizes of fixtures; 1 unless -short.
	scale int
	// fixtures that several groups use, made when first asked for.
	history *history
	// serial makes names that were not used before.
	serial int
}

// groupWithin bounds one group.
const groupWithin = 20 * time.Minute

func newRun(o options, log io.Writer) (*run, error) {
	dir, err := os.MkdirTemp(o.dir, "omnirelay-bench-*")
	if err != nil {
		return nil, err
	}
	if kind := fileSystem(dir); kind == "tmpfs" {
		return nil, errors.Join(fmt.Errorf("%s is in memory (tmpfs), where an fsync costs nothing: name a folder on a disk with -dir", dir), os.Remove(dir))
	}
	r := &run{options: o, log: log, window: 3 * time.Second, scale: 1}
	r.dir = dir
	if o.short {
		r.window, r.scale = 50*time.Millisecond, 100
	}
	r.notes = machine(dir)
	return r, nil
}

// close removes what the run has made.
func (r *run) close() {
	if err := os.RemoveAll(r.dir); err != nil {
		fmt.Fprintln(r.log, "bench: leave the data:", err)
	}
}

// temp is a new folder of this run.
func (r *run) temp(name string) (string, error) { return os.MkdirTemp(r.dir, name+"-*") }

// group runs one group; what it found before an error is kept.
func (r *run) group(ctx context.Context, g group) (err error) {
	ctx, cancel := context.WithTimeout(ctx, groupWithin)
	defer cancel()
	fmt.Fprintf(r.log, "# %s: %s\n", g.name, g.about)
	stop, err := r.profile(g.name)
	if err != nil {
		return err
	}
	r.lines = append(r.lines, line{group: g.name, what: g.about})
	err = errors.Join(g.run(ctx, r), stop())
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n") // the rest would end the table
		r.lines = append(r.lines, line{what: "this group ended early: " + first, group: g.name})
	}
	runtime.GC() // the garbage of one group is not the next one's
	return err
}

// profile starts a processor profile, if asked for.
func (r *run) profile(name string) (stop func() error, err error) {
	if r.prof == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(r.prof, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

// side measures one thing once.
type side func(context.Context) (float64, error)

// alternate measures the sides in turn, and returns what each came to in each
// repetition.
func (r *run) alternate(ctx context.Context, sides ...side) ([][]float64, error) {
	out := make([][]float64, len(sides))
	for range r.reps {
		for i, s := range sides {
			v, err := s(ctx)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], v)
		}
	}
	return out, nil
}

// compare measures ours and theirs in turn and adds a line.
func (r *run) compare(ctx context.Context, what string, u unit, g goal, ours, theirs side) error {
	if r.row != nil && !r.row.MatchString(what) {
		return nil
	}
	got, err := r.alternate(ctx, ours, theirs)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.add(what, u, g, got[0], got[1])
	return nil
}

// measure measures ours alone and adds a line.
func (r *run) measure(ctx context.Context, what string, u unit, g goal, ours side) error {
	if r.row != nil && !r.row.MatchString(what) {
		return nil
	}
	got, err := r.alternate(ctx, ours)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.add(what, u, g, got[0], nil)
	return nil
}

// add adds a line of what was measured; theirs may be nil.
func (r *run) add(what string, u unit, g goal, ours, theirs []float64) {
	l := line{what: what, unit: u, goal: g, ours: median(ours)}
	if theirs != nil {
		l.beside, l.theirs = true, median(theirs)
		ratios := make([]float64, len(ours))
		for i := range ours {
			ratios[i] = ours[i] / theirs[i]
		}
		l.ratio = median(ratios)
	}
	r.lines = append(r.lines, l)
	fmt.Fprintf(r.log, "  %s\n", l.text())
}
