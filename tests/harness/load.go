package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// nobody is a role that no node has: what is made for it is placed nowhere.
const nobody = "nobody"

// LoadConfig says how a load writes.
type LoadConfig struct {
	// Workers write one command after the other, each first to another server.
	Workers int
	// Every is the least time between two commands of a worker; 0 is none.
	Every time.Duration
	// Deadline is that of a command with all its attempts.
	Deadline time.Duration
}

// DefaultLoadConfig leaves the processors time for what is tested.
func DefaultLoadConfig() LoadConfig {
	return LoadConfig{Workers: 6, Every: 20 * time.Millisecond, Deadline: 10 * time.Second}
}

// outcome is what a caller knows of a command.
type outcome int

const (
	unknown outcome = iota
	acknowledged
	refused
)

// record is one command of a load; its id is the command's correlation id.
type record struct {
	id       string
	outcome  outcome
	position int64 // of the acknowledgement
	err      error
}

// Load writes, with an idempotency key for each command, until it is stopped,
// and remembers what it was told. Each worker makes a namespace that nobody is
// eligible for and changes it again and again, so that a command that took
// effect twice would be seen on the log.
type Load struct {
	t       testing.TB
	cfg     LoadConfig
	id      string
	stop    context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	records []record      // guarded by mu
	acks    int           // guarded by mu
	last    time.Time     // guarded by mu: of the last acknowledgement
	gap     time.Duration // guarded by mu: the longest time without one since LongestGap
}

// StartLoad writes to servers until Stop, or the end of the test.
func StartLoad(t testing.TB, cfg LoadConfig, urls ...string) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{t: t, cfg: cfg, id: "load-" + unique(), stop: cancel}
	for w := range cfg.Workers {
		c := startingAt(t, urls, w%len(urls))
		l.workers.Go(func() { l.work(ctx, c, w) })
	}
	t.Cleanup(l.Stop)
	return l
}

// StartLoad writes to the group's servers until Stop, or the end of the test.
func (g Group) StartLoad() *Load {
	g.c.t.Helper()
	return StartLoad(g.c.t, DefaultLoadConfig(), g.URLs()...)
}

// unique is a word that no other test or load of this run has.
func unique() string { return strconv.FormatUint(uint64(rand.Uint32()), 36) }

// startingAt returns a client of all servers that asks this one first. A client
// chooses by chance.
func startingAt(t testing.TB, urls []string, first int) *client.Client {
	t.Helper()
	for {
		c := Connect(t, urls...)
		if c.Endpoint() == urls[first] {
			return c
		}
	}
}

func (l *Load) work(ctx context.Context, c *client.Client, worker int) {
	tick := time.NewTicker(max(l.cfg.Every, 1))
	defer tick.Stop()
	name := fmt.Sprintf("%s-%d", l.id, worker)
	created := false
	for n := 0; ctx.Err() == nil; n++ {
		m := &controlv1.Mutation{CorrelationId: fmt.Sprintf("%s-%d", name, n)}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Deadline)
		var at int64
		var err error
		if created {
			at, err = l.change(call, c, name, n, m)
		} else {
			at, err = l.create(call, c, name, m)
			var e *client.Error
			// An earlier one was not answered and took effect.
			created = err == nil || errors.As(err, &e) && e.Reason == "namespace_exists"
		}
		cancel()
		l.note(m.GetCorrelationId(), at, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (l *Load) create(ctx context.Context, c *client.Client, name string, m *controlv1.Mutation) (int64, error) {
	r, err := c.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{
		Namespace: name, ShardCount: 1, EligibleRole: nobody, Mutation: m,
	})
	return r.GetPosition(), err
}

func (l *Load) change(ctx context.Context, c *client.Client, name string, n int, m *controlv1.Mutation) (int64, error) {
	hint := float64(n)
	r, err := c.Namespaces.Update(ctx, &controlv1.UpdateNamespaceRequest{Namespace: name, CapacityHint: &hint, Mutation: m})
	return r.GetPosition(), err
}

func (l *Load) note(id string, at int64, err error) {
	r := record{id: id, position: at, err: err}
	var e *client.Error
	switch {
	case err == nil:
		r.outcome = acknowledged
	case errors.As(err, &e) && !e.OutcomeUnknown:
		r.outcome = refused
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	if r.outcome == acknowledged {
		l.acks++
		now := time.Now()
		if !l.last.IsZero() {
			l.gap = max(l.gap, now.Sub(l.last))
		}
		l.last = now
	}
}

// Acknowledged is how many commands were so far.
func (l *Load) Acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks
}

// LongestGap is the longest time without an acknowledgement since it was last
// asked for.
func (l *Load) LongestGap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap := l.gap
	l.gap = 0
	return gap
}

// AwaitMore waits until so many more commands are acknowledged, and returns how
// long that took.
func (l *Load) AwaitMore(more int) time.Duration {
	l.t.Helper()
	want := l.Acknowledged() + more
	return Eventually(l.t, startWithin, fmt.Sprintf("%d more commands are acknowledged", more), func() error {
		if got := l.Acknowledged(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// GoesOnFor waits for a time in which commands are acknowledged again and again.
func (l *Load) GoesOnFor(d time.Duration) {
	l.t.Helper()
	for began := time.Now(); time.Since(began) < d; {
		l.AwaitMore(1)
	}
}

// Stop ends the load and waits for its last answers.
func (l *Load) Stop() {
	l.stop()
	l.workers.Wait()
}

// Failures are the commands that were not acknowledged within their deadline.
func (l *Load) Failures() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []error
	for _, r := range l.records {
		if r.outcome != acknowledged {
			all = append(all, fmt.Errorf("%s: %w", r.id, r.err))
		}
	}
	return all
}

// Verify ends the load and compares what it was told with the log as c reads it,
// linearizable: what was acknowledged is there once and at that position (A1,
// A2), what was refused is not (A6), what is unknown is there at most once. A
// command that was sent after the answer to another is behind it.
func (l *Load) Verify(c *client.Client) {
	l.t.Helper()
	l.Stop()
	decisions, err := l.decisions(c)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, problem := range judge(l.records, decisions) {
		l.t.Error(problem)
	}
	l.t.Logf("%s: %d commands, %d acknowledged; %s without one lately", l.id, len(l.records), l.acks, l.gap)
}

// judge compares what was told with the log: positions of decisions by id.
func judge(records []record, decisions map[string][]int64) []string {
	var problems []string
	last := map[string]record{} // the newest acknowledged one of each worker
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, r := range records {
		at := decisions[r.id]
		switch {
		case len(at) > 1:
			say("A2: command %s took effect %d times, at positions %v", r.id, len(at), at)
		case r.outcome == acknowledged && len(at) == 0:
			say("A1: command %s was acknowledged at position %d and is not on the log", r.id, r.position)
		case r.outcome == acknowledged && at[0] != r.position:
			say("A2: command %s was acknowledged at position %d and is at %d", r.id, r.position, at[0])
		case r.outcome == refused && len(at) > 0:
			say("A6: command %s was refused and is on the log at position %d: %v", r.id, at[0], r.err)
		}
		if r.outcome != acknowledged {
			continue
		}
		worker := r.id[:strings.LastIndexByte(r.id, '-')]
		if before, ok := last[worker]; ok && before.position >= r.position {
			say("command %s is at position %d, and %s, acknowledged before it was sent, at %d", r.id, r.position, before.id, before.position)
		}
		last[worker] = r
	}
	return problems
}

// decisions are the positions of the load's decisions on the log, by the id of
// their command.
func (l *Load) decisions(c *client.Client) (map[string][]int64, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), walkWithin)
	defer cancel()
	found := map[string][]int64{}
	for e, err := range c.Log.All(ctx, &controlv1.ListEventsRequest{
		From: 1, Limit: 1000, Read: &controlv1.ReadOptions{Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE},
	}) {
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		id, at := e.GetCorrelationId(), e.GetDecisionPosition()
		if !slices.Contains(found[id], at) {
			found[id] = append(found[id], at)
		}
	}
	return found, nil
}
