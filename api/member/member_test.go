package member_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/member"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	owning   = controlv1.HoldState_HOLD_STATE_OWNING
	released = controlv1.HoldState_HOLD_STATE_RELEASED
)

func shard(id uint32) member.Ref { return member.Ref{Namespace: "demo", Shard: id} }

// clock is the boot clock, which a test can let jump, as after a suspension.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() int64           { return member.BootTime() + c.ahead.Load() }
func (c *clock) jump(d time.Duration) { c.ahead.Add(int64(d)) }

// node is a member under test.
type node struct {
	*member.Member
	t      testing.TB
	clock  *clock
	cancel context.CancelFunc
	result chan error
	// took has every ownership that began.
	took chan *tenure
}

// tenure is one run of the Own callback.
type tenure struct {
	member.Ownership
	// giveUp makes the callback return with an error, or panic with one.
	giveUp chan error
	// linger makes it stay after its context ended until it is closed.
	linger chan struct{}
	gone   chan struct{}
}

type panicking struct{ error }

func config(dir, url string) member.Config {
	cfg := member.DefaultConfig("n1", dir, url)
	cfg.Client.BackoffMin, cfg.Client.BackoffMax = time.Millisecond, 20*time.Millisecond
	cfg.TakeoverWait = 0
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

// join runs a member; lingering ones stay in their callbacks until told.
func join(t testing.TB, cfg member.Config, lingering bool) *node {
	t.Helper()
	n := &node{t: t, clock: &clock{}, result: make(chan error, 1), took: make(chan *tenure, 10_000)}
	cfg.Clock = n.clock.now
	cfg.Own = func(ctx context.Context, o member.Ownership) error {
		x := &tenure{Ownership: o, giveUp: make(chan error, 1), linger: make(chan struct{}), gone: make(chan struct{})}
		defer close(x.gone)
		n.took <- x
		select {
		case <-ctx.Done():
		case err := <-x.giveUp:
			if p := (panicking{}); errors.As(err, &p) {
				panic(p.error)
			}
			return err
		}
		if lingering {
			<-x.linger
		}
		return nil
	}
	m, err := member.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.Member = m
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { n.result <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		n.ended()
	})
	return n
}

func (n *node) ready() int64 {
	n.t.Helper()
	session, err := n.Ready(bounded(n.t))
	if err != nil {
		n.t.Fatal(err)
	}
	return session
}

// ended waits for the end of Run. It may be asked again.
func (n *node) ended() error {
	n.t.Helper()
	select {
	case err := <-n.result:
		n.result <- err
		return err
	case <-time.After(20 * time.Second):
		n.t.Fatal("Run did not return")
		return nil
	}
}

func (n *node) next() *tenure {
	n.t.Helper()
	select {
	case x := <-n.took:
		return x
	case <-time.After(20 * time.Second):
		n.t.Fatal("nothing was owned")
		return nil
	}
}

func (n *node) none() {
	n.t.Helper()
	select {
	case x := <-n.took:
		n.t.Fatalf("%v began", x)
	default:
	}
}

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// awaitEnd waits until an ownership is told to end, and checks why.
func (x *tenure) awaitEnd(t testing.TB, cause error) {
	t.Helper()
	select {
	case <-x.Context().Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("%v goes on", x)
	}
	if got := context.Cause(x.Context()); !errors.Is(got, cause) {
		t.Fatalf("%v ended with %v, expected %v", x, got, cause)
	}
}

func check(t testing.TB, x *tenure, want error) {
	t.Helper()
	if err := x.Check(); !errors.Is(err, want) {
		t.Fatalf("Check of %v is %v, expected %v", x, err, want)
	}
}

func TestOwnAndRelease(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), true)
	n.ready()
	fence := m.assign(shard(1), "n1")
	x := n.next()
	if x.Fence != fence || x.Shard != 1 || x.Namespace != "demo" {
		t.Fatalf("owns %v, expected demo/1 fence %d", x, fence)
	}
	check(t, x, nil)
	m.awaitHeld(t, "n1", shard(1), fence, owning)

	m.drain(shard(1), "n2")
	x.awaitEnd(t, member.ErrReleased)
	check(t, x, nil) // it may finish what it is at
	if x.Permit().Err() != nil {
		t.Error("the permit ended before the callback returned")
	}
	m.see(func() {
		if m.sessions["n1"].heard[shard(1)].GetState() != owning {
			t.Error("the release was reported before the callback returned")
		}
	})
	close(x.linger)
	m.awaitHeld(t, "n1", shard(1), fence, released)
	check(t, x, member.ErrReturned)

	// The log gives it to another, and then back.
	m.assign(shard(1), "n2")
	again := m.assign(shard(1), "n1")
	y := n.next()
	if y.Fence != again {
		t.Fatalf("owns %v, expected fence %d", y, again)
	}
	// A namespace that is deleted asks for its shards too.
	m.do(func() {
		m.change(shard(1), func(r *controlv1.ShardRecord) { r.Status = controlv1.ShardStatus_SHARD_STATUS_DISABLED })
	})
	y.awaitEnd(t, member.ErrReleased)
	close(y.linger)
	m.awaitHeld(t, "n1", shard(1), again, released)
	m.do(func() { m.remove(shard(1)) })
	n.none()
}

func TestReassigned(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	m.assign(shard(1), "n1")
	x := n.next()
	m.assign(shard(1), "n2")
	x.awaitEnd(t, member.ErrReassigned)
	check(t, x, member.ErrReassigned)
}

// TestSuspension: the machine sleeps past the lease. The clock knows at once,
// the contexts end soon after, and the shard resumes with the same fence.
func TestSuspension(t *testing.T) {
	t.Parallel()
	m := newMesh(3 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), true)
	session := n.ready()
	fence := m.assign(shard(1), "n1")
	x := n.next()
	m.awaitHeld(t, "n1", shard(1), fence, owning)
	m.do(func() { m.silent = true })
	n.clock.jump(3 * time.Second)
	check(t, x, member.ErrLeaseEnded)
	x.awaitEnd(t, member.ErrLeaseEnded)
	if x.Permit().Err() == nil {
		t.Error("the permit outlived the lease")
	}
	m.do(func() { m.silent = false })
	if got := n.ready(); got != session {
		t.Fatalf("session %d, expected %d still", got, session)
	}
	check(t, x, member.ErrLeaseEnded) // what ended stays ended
	n.none()
	close(x.linger)
	if y := n.next(); y.Fence != fence || y.Check() != nil {
		t.Fatalf("resumed %v (%v), expected fence %d", y, y.Check(), fence)
	} else {
		close(y.linger)
	}
	m.see(func() {
		if m.opens != 1 {
			t.Errorf("%d sessions were opened, expected 1", m.opens)
		}
	})
}

// TestRestartInTime: a server that comes back within the lease costs nothing.
func TestRestartInTime(t *testing.T) {
	t.Parallel()
	m := newMesh(10 * time.Second)
	h := m.host(t)
	n := join(t, config(t.TempDir(), h.url()), false)
	session := n.ready()
	fence := m.assign(shard(1), "n1")
	x := n.next()
	m.awaitHeld(t, "n1", shard(1), fence, owning)
	h.stop()
	before := 0
	m.see(func() { before = m.beats })
	h.start()
	m.await(t, "a heartbeat is answered again", func() bool { return m.beats > before })
	check(t, x, nil)
	if x.Context().Err() != nil || n.ready() != session {
		t.Errorf("ownership %v, session %d; expected neither to change", context.Cause(x.Context()), n.ready())
	}
	// The watch goes on as well.
	m.assign(shard(2), "n1")
	n.next()
}

// TestRestartLate: owners stop at the end of the lease, while no server is
// there to say so, and resume.
func TestRestartLate(t *testing.T) {
	t.Parallel()
	m := newMesh(time.Second)
	h := m.host(t)
	n := join(t, config(t.TempDir(), h.url()), false)
	n.ready()
	fence := m.assign(shard(1), "n1")
	x := n.next()
	m.awaitHeld(t, "n1", shard(1), fence, owning)
	h.stop()
	x.awaitEnd(t, member.ErrLeaseEnded)
	h.start()
	if y := n.next(); y.Fence != fence {
		t.Fatalf("resumed %v, expected fence %d", y, fence)
	}
	m.see(func() {
		if m.opens != 1 {
			t.Errorf("%d sessions were opened, expected 1", m.opens)
		}
	})
}

func TestSessionLost(t *testing.T) {
	t.Parallel()
	m := newMesh(2 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), true)
	session := n.ready()
	m.assign(shard(1), "n1")
	x := n.next()
	m.do(func() { m.closeSession("n1") })
	// The row says it first, or the heartbeat.
	x.awaitEnd(t, member.ErrReassigned)
	check(t, x, member.ErrReassigned)
	m.await(t, "a new session is open", func() bool { return m.sessions["n1"] != nil && m.sessions["n1"].id > session })
	fence := m.assign(shard(1), "n1")
	n.none() // the old callback runs still
	close(x.linger)
	if y := n.next(); y.Fence != fence || y.Check() != nil {
		t.Fatalf("owns %v (%v), expected fence %d", y, y.Check(), fence)
	} else {
		close(y.linger)
	}
}

// TestOpenUnanswered: the open takes effect, its answer is lost for a while, and
// the watch is ahead of the answer when it comes.
func TestOpenUnanswered(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	cfg := config(t.TempDir(), m.host(t).url())
	cfg.Client.CallTimeout = 50 * time.Millisecond
	n := join(t, cfg, false)
	n.ready()
	m.do(func() {
		m.losing = true
		m.closeSession("n1")
	})
	m.await(t, "a second session is open", func() bool { return m.opens == 2 })
	fence := m.assign(shard(1), "n1")
	asked := 0
	m.see(func() { asked = m.asked })
	m.await(t, "it is asked for again and again", func() bool { return m.asked > asked+10 })
	n.none()
	m.do(func() { m.losing = false })
	if x := n.next(); x.Fence != fence || x.Check() != nil {
		t.Fatalf("owns %v (%v), expected fence %d", x, x.Check(), fence)
	}
	m.see(func() {
		if m.opens != 2 {
			t.Errorf("%d sessions were opened, expected 2", m.opens)
		}
	})
}

// TestSnapshot: a watch that cannot be resumed begins with a snapshot.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	m.refuseResume = true
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	m.assign(shard(1), "n1")
	x := n.next()
	m.assign(shard(2), "n1")
	n.next()
	m.drain(shard(1), "n2")
	x.awaitEnd(t, member.ErrReleased)
}

func TestLeave(t *testing.T) {
	t.Parallel()
	ways := map[string]func(*node){
		"Leave":          func(n *node) { go n.Leave(context.Background()) },
		"the end of Run": func(n *node) { n.cancel() },
	}
	for name, leave := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(5 * time.Second)
			n := join(t, config(t.TempDir(), m.host(t).url()), true)
			n.ready()
			m.assign(shard(1), "n1")
			x := n.next()
			leave(n)
			x.awaitEnd(t, member.ErrReleased)
			check(t, x, nil)
			m.see(func() {
				if m.sessions["n1"] == nil {
					t.Error("left before everything was released")
				}
			})
			close(x.linger)
			if err := n.ended(); err != nil {
				t.Fatalf("Run returned %v", err)
			}
			m.see(func() {
				if m.sessions["n1"] != nil {
					t.Error("the session was not closed")
				}
			})
			if _, err := n.Ready(bounded(t)); !errors.Is(err, member.ErrStopped) {
				t.Errorf("Ready after the end: %v, expected ErrStopped", err)
			}
		})
	}
}

// TestLeaveInVain: without a server, leaving is given up, and everything ends.
func TestLeaveInVain(t *testing.T) {
	t.Parallel()
	m := newMesh(time.Hour)
	h := m.host(t)
	cfg := config(t.TempDir(), h.url())
	cfg.LeaveTimeout = 200 * time.Millisecond
	n := join(t, cfg, false)
	n.ready()
	m.assign(shard(1), "n1")
	x := n.next()
	h.stop()
	n.cancel()
	if err := n.ended(); err != nil {
		t.Fatalf("Run returned %v", err)
	}
	if x.Check() == nil {
		t.Error("owns after the end of Run")
	}
	h.start()
}

// TestLeaveInSilence: with no server that answers, leaving is given up long before
// its limit.
func TestLeaveInSilence(t *testing.T) {
	t.Parallel()
	m := newMesh(time.Hour)
	h := m.host(t)
	cfg := config(t.TempDir(), h.url())
	cfg.LeaveTimeout, cfg.LeaveSilence = time.Hour, 100*time.Millisecond
	n := join(t, cfg, false)
	n.ready()
	m.assign(shard(1), "n1")
	n.next()
	h.stop()
	n.cancel()
	if err := n.ended(); err != nil {
		t.Fatalf("Run returned %v", err)
	}
	h.start()
}

// TestLeaveTakesItsTime: a callback that takes longer than that to end is waited
// for, for servers that are not asked are not silent.
func TestLeaveTakesItsTime(t *testing.T) {
	t.Parallel()
	m := newMesh(time.Hour)
	cfg := config(t.TempDir(), m.host(t).url())
	cfg.LeaveTimeout, cfg.LeaveSilence = time.Hour, 100*time.Millisecond
	n := join(t, cfg, true)
	n.ready()
	m.assign(shard(1), "n1")
	x := n.next()
	n.cancel()
	x.awaitEnd(t, member.ErrReleased)
	select {
	case err := <-n.result:
		t.Fatalf("Run ended before its callback did: %v", err)
	case <-time.After(5 * cfg.LeaveSilence):
	}
	close(x.linger)
	if err := n.ended(); err != nil {
		t.Fatalf("Run returned %v", err)
	}
	m.see(func() {
		if m.sessions["n1"] != nil {
			t.Error("the session was not closed")
		}
	})
}

// TestStopWithoutLeaving: the session stays for the process that follows, which
// proves itself with the secret.
func TestStopWithoutLeaving(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	cfg := config(t.TempDir(), m.host(t).url())
	cfg.LeaveTimeout = 0
	n := join(t, cfg, false)
	first := n.ready()
	m.assign(shard(1), "n1")
	x := n.next()
	n.cancel()
	if err := n.ended(); err != nil {
		t.Fatalf("Run returned %v", err)
	}
	if got := context.Cause(x.Context()); !errors.Is(got, member.ErrStopped) {
		t.Errorf("ended with %v, expected ErrStopped", got)
	}
	next := join(t, cfg, false)
	if second := next.ready(); second <= first {
		t.Errorf("session %d after %d", second, first)
	}
}

func TestNodeTaken(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	url := m.host(t).url()
	join(t, config(t.TempDir(), url), false).ready()

	other := join(t, config(t.TempDir(), url), false)
	if err := other.ended(); !errors.Is(err, member.ErrNodeTaken) {
		t.Fatalf("a second process with the node id got %v, expected ErrNodeTaken", err)
	}
	if _, err := other.Ready(bounded(t)); !errors.Is(err, member.ErrStopped) {
		t.Fatalf("Ready of a member that failed: %v", err)
	}
}

// TestTakeover: the data directory was lost, and the old session expires.
func TestTakeover(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	url := m.host(t).url()
	cfg := config(t.TempDir(), url)
	cfg.LeaveTimeout = 0
	first := join(t, cfg, false)
	first.ready()
	first.cancel()
	first.ended()
	cfg.DataDir, cfg.TakeoverWait = t.TempDir(), time.Minute
	next := join(t, cfg, false)
	next.none()
	m.do(func() { m.closeSession("n1") })
	next.ready()
}

// TestClosedForNow: what a sealed log and a restored one refuse is asked for
// again, and no end of the member.
func TestClosedForNow(t *testing.T) {
	for _, reason := range []string{"log_sealed", "era_settling"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			m := newMesh(5 * time.Second)
			m.closed = reason
			cfg := config(t.TempDir(), m.host(t).url())
			r := join(t, cfg, false)
			m.await(t, "it asks again", func() bool { return m.asked > 2 })
			m.do(func() { m.closed = "" })
			r.ready()
		})
	}
}

func TestDataDirectory(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	url := m.host(t).url()
	cfg := config(t.TempDir(), url)
	first := join(t, cfg, false)
	first.ready()

	second := join(t, cfg, false)
	if err := second.ended(); !errors.Is(err, member.ErrLocked) || !strings.Contains(err.Error(), cfg.DataDir) {
		t.Fatalf("a second process on the directory got %v, expected ErrLocked", err)
	}
	first.cancel()
	first.ended()

	m.do(func() { m.logID = []byte("log-2") })
	if err := join(t, cfg, false).ended(); !errors.Is(err, member.ErrOtherLog) {
		t.Fatalf("servers of another log: %v, expected ErrOtherLog", err)
	}
	m.do(func() {
		m.logID, m.position = []byte("log-1"), 1
		clear(m.sessions)
	})
	if err := join(t, cfg, false).ended(); !errors.Is(err, member.ErrLogBehind) {
		t.Fatalf("a log that was cut: %v, expected ErrLogBehind", err)
	}
}

func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	m := newMesh(0) // a server that makes no sense
	if err := join(t, config(t.TempDir(), m.host(t).url()), false).ended(); err == nil {
		t.Fatal("a session without a time to live was taken")
	}
	for _, change := range []func(*member.Config){
		func(c *member.Config) { c.NodeID = "" },
		func(c *member.Config) { c.DataDir = "" },
		func(c *member.Config) { c.Role = "" },
		func(c *member.Config) { c.Weight = -1 },
		func(c *member.Config) { c.Client.Endpoints = nil },
		func(c *member.Config) { c.Namespaces = []string{""} },
		func(c *member.Config) { c.LeaveTimeout = -1 },
		func(c *member.Config) { c.LeaveSilence = -1 },
		func(c *member.Config) { c.TakeoverWait = -1 },
	} {
		cfg := config("d", "http://127.0.0.1:1")
		change(&cfg)
		if _, err := member.New(cfg); err == nil || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("New said %v, expected what is allowed", err)
		}
	}
}

// TestReturnsByItself: the shard is given back, after a while.
func TestReturnsByItself(t *testing.T) {
	t.Parallel()
	m := newMesh(10 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	for i, err := range []error{errors.New("disk on fire"), panicking{errors.New("nil map")}, nil} {
		ref := shard(uint32(i))
		fence := m.assign(ref, "n1")
		x := n.next()
		m.awaitHeld(t, "n1", ref, fence, owning)
		started := time.Now()
		x.giveUp <- err
		<-x.gone
		m.awaitHeld(t, "n1", ref, fence, released)
		check(t, x, member.ErrReturned)
		if took := time.Since(started); took < 900*time.Millisecond {
			t.Errorf("%v was given back after %s, expected 1 s", ref, took)
		}
	}
	// Asked back while it waits: at once.
	fence := m.assign(shard(0), "n1")
	x := n.next()
	x.giveUp <- nil
	<-x.gone
	m.drain(shard(0), "n2")
	m.awaitHeld(t, "n1", shard(0), fence, released)
}

// TestManyShards: thousands of shards at once are few heartbeats.
func TestManyShards(t *testing.T) {
	t.Parallel()
	const count = 3000
	m := newMesh(30 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	m.do(func() {
		for i := range uint32(count) {
			m.change(shard(i), func(r *controlv1.ShardRecord) {
				r.OwnerNodeId, r.SessionId, r.FenceToken = "n1", m.sessions["n1"].id, m.position
			})
		}
	})
	var first sync.Once
	for range count {
		x := n.next()
		first.Do(func() { check(t, x, nil) })
	}
	m.await(t, "all are reported", func() bool { return len(m.sessions["n1"].heard) == count })
	m.see(func() {
		if m.full > 100 {
			t.Errorf("%d heartbeats carried the set, expected a few", m.full)
		}
	})
}

func ExampleRun() {
	cfg := member.DefaultConfig("n1", "/var/lib/app/mesh", "http://127.0.0.1:8080")
	cfg.Own = func(ctx context.Context, o member.Ownership) error {
		for {
			select {
			case <-ctx.Done():
				return nil // released: everything is written
			case <-time.After(time.Second):
				if err := o.Check(); err != nil {
					return err
				}
				fmt.Println("writing with fence", o.Fence)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := member.Run(ctx, cfg); err != nil {
		fmt.Println(err)
	}
}
