package harness

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

// lookEvery is how often an owner asks whether it still owns.
const lookEvery = 20 * time.Millisecond

// Member is a program of its own with the Go SDK in it, in the process of the
// test, so that it can say exactly when it owned what.
type Member struct {
	Node string
	*Access
	*member.Member
}

// StartMember joins a node that knows all servers and reaches some; none named
// are all. What it owns is in the cluster's trace. It ends with the test,
// without leaving.
func (c *Cluster) StartMember(node string, reach ...int) *Member {
	c.t.Helper()
	m := &Member{Node: node, Access: c.newAccess(reach)}
	cfg := member.DefaultConfig(node, filepath.Join(c.dir, "nodes", node), m.URLs()...)
	cfg.LeaveTimeout = 0
	cfg.Own = func(_ context.Context, o member.Ownership) error {
		c.trace.own(node, o)
		return nil
	}
	out := &output{}
	cfg.Logger = slog.New(slog.NewTextHandler(out, nil))
	var err error
	if m.Member, err = member.New(cfg); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			c.t.Errorf("member %s: %v", node, err)
		}
	})
	c.t.Cleanup(func() {
		cancel()
		running.Wait()
		if c.t.Failed() {
			c.t.Logf("--- member %s: end of its output\n%s", node, out.tail())
		}
	})
	return m
}

// Lapsed says why the member may still own something: its lease lives.
func (m *Member) Lapsed() error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if session, err := m.Ready(ended); err == nil {
		return fmt.Errorf("%s has a live lease for session %d", m.Node, session)
	}
	return nil
}

// Trace is what members of a cluster owned, as they saw it themselves.
type Trace struct {
	mu    sync.Mutex
	spans []*span // guarded by mu
}

// span is one ownership, from the first to the last moment at which its owner
// could have written, in boot time. Both are inside the true span, so that two
// spans that overlap are two owners and never a slow clock.
type span struct {
	node, shard string
	fence       int64
	first, last int64
}

// own records an ownership until it ends.
func (tr *Trace) own(node string, o member.Ownership) {
	s := &span{node: node, shard: fmt.Sprintf("%s/%d", o.Namespace, o.Shard), fence: o.Fence}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for tr.look(s, o) {
		select {
		case <-o.Context().Done():
			tr.look(s, o) // on a release it may act until it returns
			return
		case <-tick.C:
		}
	}
}

// look notes that the owner could write now, if it could. The time is taken
// before the question: then it was true at that time as well.
func (tr *Trace) look(s *span, o member.Ownership) bool {
	now := member.BootTime()
	if o.Check() != nil {
		return false
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if s.first == 0 {
		s.first = now
		tr.spans = append(tr.spans, s)
	}
	s.last = now
	return true
}

// OneOwner checks S1 by the members' own traces, and that fences rise: no shard
// ever had two owners.
func (c *Cluster) OneOwner() {
	c.t.Helper()
	c.trace.mu.Lock()
	defer c.trace.mu.Unlock()
	if len(c.trace.spans) == 0 {
		c.t.Error("S1: no member owned anything: there is nothing to check")
	}
	for _, problem := range overlaps(c.trace.spans) {
		c.t.Error(problem)
	}
}

// overlaps are the ownerships that break S1 or the order of fences.
func overlaps(spans []*span) []string {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b *span) int {
		return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.first, b.first))
	})
	var problems []string
	var before *span // of this shard, the one that lasted longest so far
	for _, s := range sorted {
		switch {
		case before == nil || before.shard != s.shard:
			before = s
			continue
		case s.first <= before.last:
			problems = append(problems, fmt.Sprintf("S1: %s was owned by %s (fence %d) until %s after %s (fence %d) had begun to own it",
				s.shard, before.node, before.fence, time.Duration(before.last-s.first), s.node, s.fence))
		case s.fence < before.fence:
			problems = append(problems, fmt.Sprintf("L2: %s was owned by %s with fence %d after %s with fence %d",
				s.shard, s.node, s.fence, before.node, before.fence))
		}
		if s.last > before.last {
			before = s
		}
	}
	return problems
}
