package member_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

const prepared = controlv1.HoldState_HOLD_STATE_PREPARED

// diary is what callbacks did, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) has(lines ...string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Equal(d.lines, lines)
}

// TestPrepareOwnRelease: a shard comes and goes; each callback in its order, and
// each report only after it.
func TestPrepareOwnRelease(t *testing.T) {
	t.Parallel()
	m, d := newMesh(5*time.Second), &diary{}
	cfg := config(t.TempDir(), m.host(t).url())
	var life context.Context
	outcomes := make(chan error, 3)
	cfg.Prepare = func(ctx context.Context, p member.Preparation) error {
		life = ctx
		d.add("prepare " + p.String())
		return <-outcomes
	}
	var permit error
	cfg.Release = func(ctx context.Context, o member.Ownership) error {
		permit = errors.Join(o.Check(), ctx.Err())
		d.add("release")
		return errors.New("in vain")
	}
	n := join(t, cfg, true)
	n.ready()
	theirs := m.assign(shard(1), "n2")
	m.prepare(shard(1), "n1")
	outcomes <- errors.New("not yet") // it is tried again
	outcomes <- nil
	m.awaitHeld(t, "n1", shard(1), theirs, prepared)
	n.none()
	m.drain(shard(1), "n1")
	fence := m.assign(shard(1), "n1")
	x := n.next()
	m.awaitHeld(t, "n1", shard(1), fence, owning)
	if life.Err() != nil {
		t.Errorf("what was prepared ends with the assignment: %v", context.Cause(life))
	}
	m.drain(shard(1), "n2")
	x.awaitEnd(t, member.ErrReleased)
	close(x.linger)
	m.awaitHeld(t, "n1", shard(1), fence, released)
	of := member.Preparation{Namespace: "demo", Shard: 1, Owner: "n2", Fence: theirs}
	if !d.has("prepare "+of.String(), "prepare "+of.String(), "release") || permit != nil || life.Err() == nil {
		t.Errorf("%q; the permit at Release: %v; the preparation after it: %v", d.lines, permit, life.Err())
	}
}

// TestPrepareInVain: the move ends otherwise, while the callback runs and after it
// has returned; the report is taken back.
func TestPrepareInVain(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	cfg := config(t.TempDir(), m.host(t).url())
	lives := make(chan context.Context, 2)
	cfg.Prepare = func(ctx context.Context, p member.Preparation) error {
		lives <- ctx
		if p.Shard == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	n := join(t, cfg, false)
	n.ready()
	for _, id := range []uint32{1, 2} {
		fence := m.assign(shard(id), "n2")
		m.prepare(shard(id), "n1")
		life := <-lives
		if id == 2 {
			m.awaitHeld(t, "n1", shard(id), fence, prepared)
		}
		m.cancel(shard(id))
		select {
		case <-life.Done():
		case <-time.After(20 * time.Second):
			t.Fatalf("the preparation of shard %d goes on", id)
		}
		if got := context.Cause(life); !errors.Is(got, member.ErrMoveEnded) {
			t.Errorf("the preparation of shard %d ended with %v", id, got)
		}
	}
	m.await(t, "nothing is reported", func() bool { return len(m.sessions["n1"].heard) == 0 })
	n.none()
}

// TestPreparePanics is an error, and tried again.
func TestPreparePanics(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	cfg := config(t.TempDir(), m.host(t).url())
	tries := make(chan struct{}, 10)
	cfg.Prepare = func(context.Context, member.Preparation) error {
		if tries <- struct{}{}; len(tries) == 1 {
			panic("boom")
		}
		return nil
	}
	n := join(t, cfg, false)
	n.ready()
	fence := m.assign(shard(1), "n2")
	m.prepare(shard(1), "n1")
	m.awaitHeld(t, "n1", shard(1), fence, prepared)
}

// TestMoveFromBeforeTheSession: a move came to a node that was not there; its next
// process prepares it.
func TestMoveFromBeforeTheSession(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	fence := m.assign(shard(1), "n2")
	m.prepare(shard(1), "n1")
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	m.awaitHeld(t, "n1", shard(1), fence, prepared)
}

// TestReleaseWaitsForWork: what was begun is done before the callback is told to
// end, and nothing else begins.
func TestReleaseWaitsForWork(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	fence := m.assign(shard(1), "n1")
	x := n.next()
	if o, ok := n.Owned("demo", 1); !ok || o.Fence != fence {
		t.Errorf("owned is %v, %t", o, ok)
	}
	done, err := x.Begin()
	if err != nil {
		t.Fatal(err)
	}
	m.drain(shard(1), "n2")
	other := x.Ownership
	m.await(t, "nothing more begins", func() bool { // a step of the member later
		more, err := other.Begin()
		if err == nil {
			more()
		}
		return errors.Is(err, member.ErrReleased)
	})
	if x.Context().Err() != nil || x.Check() != nil {
		t.Errorf("told to end while work is in flight: %v, %v", x.Context().Err(), x.Check())
	}
	done()
	done() // once is enough
	x.awaitEnd(t, member.ErrReleased)
	m.awaitHeld(t, "n1", shard(1), fence, released)
	if _, err := x.Begin(); err == nil {
		t.Error("work begins after the release")
	}
	if _, ok := n.Owned("demo", 1); ok {
		t.Error("a released shard is owned")
	}
}
