package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
	"github.com/omnirelay/omnirelay/store/storetest"
)

// trio is the configuration of three servers of one cluster.
func trio(t testing.TB) []natslog.Config {
	t.Helper()
	dir := t.TempDir()
	var peers []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, l.Addr().String())
		_ = l.Close() // the server takes it
	}
	var cfgs []natslog.Config
	for i, route := range peers {
		cfg := small(filepath.Join(dir, fmt.Sprintf("s%d", i+1)))
		cfg.ServerName = fmt.Sprintf("s%d-0000000%d", i+1, i+1)
		cfg.Route, cfg.Peers = route, peers
		cfgs = append(cfgs, cfg)
	}
	return cfgs
}

// openAll opens servers side by side: none is there before a majority is.
func openAll(t testing.TB, cfgs ...natslog.Config) []*natslog.Store {
	t.Helper()
	stores := make([]*natslog.Store, len(cfgs))
	var all sync.WaitGroup
	for i, cfg := range cfgs {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			s, err := natslog.Open(ctx, cfg)
			if err != nil {
				t.Errorf("open %s: %v", cfg.ServerName, err)
				return
			}
			stores[i] = s
		})
	}
	all.Wait()
	t.Cleanup(func() {
		var all sync.WaitGroup
		for _, s := range stores {
			if s != nil {
				all.Go(func() { _ = s.Close() })
			}
		}
		all.Wait()
	})
	if t.Failed() {
		t.FailNow()
	}
	return stores
}

// must publishes until the frame is stored, with the same bytes each time.
func (c *chain) must(t testing.TB, s *natslog.Store) {
	t.Helper()
	expect := c.head.Sequence
	data := c.next(t)
	eventually(t, "a frame is stored", func() bool {
		if s.Publish(t.Context(), expect, data) == nil {
			return true
		}
		m, err := s.Load(t.Context(), expect+1)
		return err == nil && bytes.Equal(m.Data, data)
	})
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestClusterConformance holds a log of three replicas to the suite.
func TestClusterConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		s := openAll(t, trio(t)...)
		return storetest.Backend{Log: s[0], Register: s[1].Register()}
	})
}

// TestClusterFollow: what one server publishes the others get, once and in order,
// from wherever they begin.
func TestClusterFollow(t *testing.T) {
	s := openAll(t, trio(t)...)
	c := &chain{}
	const frames = 300
	type got struct {
		from uint64
		seqs []uint64
		err  error
	}
	results := make(chan got, 6)
	for _, st := range s {
		for _, from := range []uint64{1, 150} {
			go func() {
				g := got{from: from}
				g.err = st.Follow(t.Context(), from, func(m store.Message) error {
					g.seqs = append(g.seqs, m.Sequence)
					if m.Sequence == frames {
						return errDone
					}
					return nil
				})
				results <- g
			}()
		}
	}
	for range frames {
		c.must(t, s[0])
	}
	for range 6 {
		g := <-results
		if !errors.Is(g.err, errDone) || len(g.seqs) != int(frames-g.from+1) || g.seqs[0] != g.from {
			t.Errorf("from %d: %d messages, error %v", g.from, len(g.seqs), g.err)
		}
	}
}

var errDone = errors.New("done")

// TestGenesisNeedsAll: two of three servers that are all empty wait for the third.
func TestGenesisNeedsAll(t *testing.T) {
	cfgs := trio(t)
	waits := make(chan string, 100)
	cfgs[0].Waiting = func(what string) {
		select {
		case waits <- what:
		default:
		}
	}
	ended := make(chan error, 2)
	for _, cfg := range cfgs[:2] {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			s, err := natslog.Open(ctx, cfg)
			if err == nil {
				err = errors.Join(errors.New("opened"), s.Close())
			}
			ended <- err
		}()
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	}
	if len(waits) == 0 {
		t.Error("nobody was told what is waited for")
	}
	cfgs[0].Waiting = nil
	s := openAll(t, cfgs...)
	for _, st := range s {
		if st.State() != natslog.Genesis {
			t.Errorf("state is %v, want genesis", st.State())
		}
	}
}

// TestMoveLeaders brings the leaders of both streams to each server in turn.
func TestMoveLeaders(t *testing.T) {
	s := openAll(t, trio(t)...)
	c := &chain{}
	for _, to := range s {
		c.must(t, s[0])
		if err := s[0].MoveLeaders(t.Context(), to.Link().Name()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the leaders are there", func() bool {
			log, register := to.Hosts()
			return log && register
		})
	}
	c.must(t, s[1])
}

// TestLostServer: with one server gone the log goes on, and that one has the rest
// when it comes back; a request to it ends at once.
func TestLostServer(t *testing.T) {
	cfgs := trio(t)
	s := openAll(t, cfgs...)
	c := &chain{}
	c.must(t, s[0])
	eventually(t, "the third leads", func() bool {
		log, register := s[2].Hosts()
		if !log || !register {
			_ = s[0].MoveLeaders(t.Context(), "s3") // asked again: raft prefers, and does not promise
		}
		return log && register
	})
	received := make(chan struct{})
	if err := s[2].Link().Serve("hang", func(ctx context.Context, _ []byte) []byte {
		close(received)
		<-ctx.Done()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		for { // others hear of the handler a moment later
			if _, err := s[0].Link().Ask(t.Context(), "s3", "hang", nil); !errors.Is(err, natslog.ErrUnreachable) {
				asked <- err
				return
			}
		}
	}()
	<-received
	shut(t, s[2])
	if err := <-asked; err == nil {
		t.Error("a server that is gone has answered")
	}
	if _, err := s[0].Link().Ask(t.Context(), "s3", "hang", nil); !errors.Is(err, natslog.ErrUnreachable) {
		t.Errorf("asking a server that is gone: %v, want unreachable", err)
	}
	began := time.Now()
	c.must(t, s[0])
	t.Logf("published again after %s", time.Since(began))
	for range 100 {
		c.must(t, s[1])
	}
	back := openAll(t, cfgs[2])[0]
	eventually(t, "the third has the rest", func() bool {
		last, err := back.Last(t.Context())
		return err == nil && last == c.head.Sequence
	})
	if back.State() != natslog.Existing {
		t.Errorf("state is %v", back.State())
	}
}

// TestOtherKind: neither kind of directory is taken for the other.
func TestOtherKind(t *testing.T) {
	cfgs := trio(t)
	single := small(cfgs[0].Dir)
	s := open(t, single)
	(&chain{}).must(t, s)
	shut(t, s)
	if _, err := natslog.Open(t.Context(), cfgs[0]); !errors.Is(err, natslog.ErrOtherKind) {
		t.Errorf("a single server's directory in a cluster: %v", err)
	}
	cfgs = trio(t)
	for _, s := range openAll(t, cfgs...) {
		shut(t, s)
	}
	if _, err := natslog.Open(t.Context(), small(cfgs[0].Dir)); !errors.Is(err, natslog.ErrOtherKind) {
		t.Errorf("a cluster's directory for a single server: %v", err)
	}
}

// TestReplace: a directory that was emptied is not taken for its former self; it
// waits, and gets its place when it is given it.
func TestReplace(t *testing.T) {
	cfgs := trio(t)
	s := openAll(t, cfgs...)
	c := &chain{size: 2000}
	for range 100 {
		c.must(t, s[0])
	}
	if _, err := s[0].Replace(t.Context(), "s3", false); !errors.Is(err, natslog.ErrNotReplaceable) {
		t.Errorf("replacing a server that is well: %v", err)
	}
	shut(t, s[2])
	if _, err := s[0].Replace(t.Context(), "s3", false); !errors.Is(err, natslog.ErrNotReplaceable) {
		t.Errorf("replacing a server by nobody: %v", err)
	}
	wiped := cfgs[2]
	wiped.Dir, wiped.ServerName = t.TempDir(), "s3-99999999"
	outside := make(chan struct{})
	var once sync.Once
	wiped.Waiting = func(what string) {
		if strings.Contains(what, "not_a_member") {
			once.Do(func() { close(outside) })
		}
	}
	opened := make(chan *natslog.Store, 1)
	go func() { opened <- openAll(t, wiped)[0] }()
	<-outside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	eventually(t, "it is replaced", func() bool {
		directory, err := s[0].Replace(ctx, "s3", false)
		if errors.Is(err, natslog.ErrNotReplaceable) {
			t.Log(err)
			return false
		}
		if err == nil {
			err = s[0].AwaitReplica(ctx, directory)
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	back := <-opened
	shut(t, s[1]) // the new one counts: the log goes on with it
	for range 20 {
		c.must(t, back)
	}
	n := uint64(0)
	err := back.Follow(ctx, 1, func(m store.Message) error {
		if n++; m.Sequence != n {
			t.Errorf("message %d after %d", m.Sequence, n-1)
		}
		if m.Sequence == c.head.Sequence {
			return errDone
		}
		return nil
	})
	if !errors.Is(err, errDone) {
		t.Error(err)
	}
	replicas, err := back.Replicas(ctx)
	if err != nil || len(replicas) != 3 {
		t.Errorf("%d replicas, error %v: %+v", len(replicas), err, replicas)
	}
}

// TestRemovedEnds: a directory whose place was given away ends when it is started
// again, and with one other server up it waits.
func TestRemovedEnds(t *testing.T) {
	cfgs := trio(t)
	s := openAll(t, cfgs...)
	c := &chain{size: 2000}
	for range 100 {
		c.must(t, s[0])
	}
	for _, s := range s {
		if err := s.Anchor(c.head); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, s[2])
	fresh := cfgs[2]
	fresh.Dir, fresh.ServerName = t.TempDir(), "s3-99999999"
	opened := make(chan *natslog.Store, 1)
	go func() { opened <- openAll(t, fresh)[0] }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	eventually(t, "it is replaced", func() bool {
		directory, err := s[0].Replace(ctx, "s3", false)
		return err == nil && s[0].AwaitReplica(ctx, directory) == nil
	})
	shut(t, <-opened)
	for range 10 {
		c.must(t, s[0])
	}
	for range 2 { // the second time it may know by itself
		_, err := natslog.Open(ctx, cfgs[2])
		if !errors.Is(err, natslog.ErrNotMember) || !strings.Contains(err.Error(), "--reseed 00000003") {
			t.Errorf("opening what was taken out: %v", err)
		}
		c.must(t, s[0])
	}

	shut(t, s[1])
	alone, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	if _, err := natslog.Open(alone, cfgs[2]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opening it with one other there: %v; want it to wait", err)
	}
}

// TestRemovedWhileRunning: a server that was given up for dead, and is not, ends.
func TestRemovedWhileRunning(t *testing.T) {
	cfgs := trio(t)
	cfgs[2].ReplicaWithin = 200 * time.Millisecond
	s := openAll(t, cfgs...)
	(&chain{}).must(t, s[0])
	guarded := make(chan error, 1)
	go func() { guarded <- s[2].Guard(t.Context()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s[0].RemoveServer(ctx, cfgs[2].ServerName); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-guarded:
		if !errors.Is(err, natslog.ErrNotMember) {
			t.Errorf("the guard ended with %v", err)
		}
	case <-ctx.Done():
		t.Error("a server that was taken out goes on")
	}
}
