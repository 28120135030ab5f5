package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// forgetful are three servers that stopped after frames, of which the directories
// as they were after fewer are kept: what disks leave that lost writes.
type forgetful struct {
	cfgs []natslog.Config
	old  []string
	mid  store.Mark
	end  store.Mark
}

const (
	keptFrames = 60
	lostFrames = 40
)

// forget returns servers that have written keptFrames and then lostFrames.
func forget(t *testing.T) forgetful {
	t.Helper()
	f := forgetful{cfgs: quickToMiss(trio(t))}
	c := &chain{size: 200}
	f.write(t, c, keptFrames)
	f.keep(t, c)
	f.write(t, c, lostFrames)
	f.end = c.head
	return f
}

func quickToMiss(cfgs []natslog.Config) []natslog.Config {
	for i := range cfgs {
		cfgs[i].ShortWithin, cfgs[i].ReplicaWithin = 300*time.Millisecond, time.Second
	}
	return cfgs
}

// keep copies the directories as they are now.
func (f *forgetful) keep(t *testing.T, c *chain) {
	t.Helper()
	f.mid = c.head
	for _, image := range imagesOf(t, f.cfgs) {
		f.old = append(f.old, image.Dir)
	}
}

func (f *forgetful) write(t *testing.T, c *chain, frames int) {
	t.Helper()
	s := openAll(t, f.cfgs...)
	for range frames {
		c.must(t, s[0])
	}
	for i, st := range s {
		if err := st.Anchor(c.head); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the replica has all", func() bool { return replicaEnd(t, f.cfgs[i]) == c.head.Sequence })
	}
	shutAll(t, s...)
}

// lose puts back what servers had before the last frames; the anchors stay, unless
// they are to be lost too.
func (f *forgetful) lose(t *testing.T, anchors bool, servers ...int) {
	t.Helper()
	for _, i := range servers {
		dir := f.cfgs[i].Dir
		for _, name := range []string{"jetstream", "clean"} {
			remove(t, filepath.Join(dir, name))
		}
		if anchors {
			remove(t, filepath.Join(dir, "anchor"))
			if err := os.CopyFS(dir, os.DirFS(f.old[i])); err != nil && !errors.Is(err, os.ErrExist) {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"jetstream", "anchor", "clean"} {
			from, to := filepath.Join(f.old[i], name), filepath.Join(dir, name)
			if _, err := os.Stat(to); err == nil {
				continue
			}
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// opening are servers that are being opened, each as soon as it was told to.
type opening struct {
	t      *testing.T
	mu     sync.Mutex
	said   map[string]string
	stores []*natslog.Store
	errs   []error
	all    sync.WaitGroup
}

func (o *opening) start(ctx context.Context, i int, cfg natslog.Config) {
	cfg.Waiting = func(what string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if what != "" {
			o.said[cfg.ServerName] = what
		}
	}
	o.all.Go(func() {
		s, err := natslog.Open(ctx, cfg)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.stores[i], o.errs[i] = s, err
	})
}

func (o *opening) saying(cfg natslog.Config, what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Contains(o.said[cfg.ServerName], what)
}

func newOpening(t *testing.T) *opening {
	o := &opening{t: t, said: map[string]string{}, stores: make([]*natslog.Store, 3), errs: make([]error, 3)}
	t.Cleanup(func() {
		o.all.Wait()
		for _, s := range o.stores {
			if s != nil {
				_ = s.Close()
			}
		}
	})
	return o
}

// TestLostTailIsPutBack: two of three servers come back without acknowledged frames
// and elect each other. They wait, by their anchors, and the third puts back what it
// has, byte for byte.
func TestLostTailIsPutBack(t *testing.T) {
	f := forget(t)
	want := payloads(t, f.cfgs[2])
	f.lose(t, false, 0, 1)
	for i := range f.cfgs {
		f.cfgs[i].Metrics = prometheus.NewRegistry()
	}
	o := newOpening(t)
	ctx := deadline(t)
	for i, cfg := range f.cfgs[:2] {
		o.start(ctx, i, cfg)
	}
	for _, cfg := range f.cfgs[:2] {
		eventually(t, "what is missing is said", func() bool {
			return o.saying(cfg, "the log ends at message 60, and messages 61 to 100 were stored") && o.saying(cfg, "1 of 3 servers do not answer")
		})
	}
	o.start(ctx, 2, f.cfgs[2])
	o.all.Wait()
	if err := errors.Join(o.errs...); err != nil {
		t.Fatal(err)
	}
	f.whole(t, false, o.stores...)
	healed := 0.0
	for _, cfg := range f.cfgs {
		healed += value(t, cfg.Metrics.(*prometheus.Registry), "mesh_log_tail_healed_total")
	}
	if healed < lostFrames {
		t.Errorf("%v messages are counted as put back, of %d", healed, lostFrames)
	}
	stop := f.guard(t, o.stores...)
	c := &chain{size: 200, head: f.end}
	c.must(t, o.stores[1])
	for _, s := range o.stores {
		if err := s.Anchor(c.head); err != nil {
			t.Error(err)
		}
	}
	for _, cfg := range f.cfgs {
		eventually(t, "the replica has all", func() bool { return replicaEnd(t, cfg) == c.head.Sequence })
	}
	stop()
	shutAll(t, o.stores...)
	clear(o.stores)
	for _, cfg := range f.cfgs {
		if got := payloads(t, cfg); !bytes.HasPrefix(got, want) || !bytes.Equal(got, payloads(t, f.cfgs[0])) {
			t.Errorf("%s has other messages", cfg.ServerName)
		}
		if _, err := os.Stat(filepath.Join(cfg.Dir, "salvage")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s has copies left: %v", cfg.ServerName, err)
		}
	}
}

// guard lets servers look after their copies until stop.
func (f *forgetful) guard(t *testing.T, stores ...*natslog.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, s := range stores {
		all.Go(func() {
			if err := s.Guard(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// whole wants the log to end as it did, and one server at least to say what it put
// back, unless raft may have brought it back: the third has more of its log, and wins
// if it is the first to campaign.
func (f *forgetful) whole(t *testing.T, mustTell bool, stores ...*natslog.Store) {
	t.Helper()
	told := 0
	for _, s := range stores {
		m, err := s.Load(deadline(t), f.end.Sequence)
		if err != nil || events.HashOf(m.Data) != f.end.Hash {
			t.Errorf("the last message has another hash, or: %v", err)
		}
		h, ok := s.Healed()
		if !ok {
			continue
		}
		told++
		if h.First != f.mid.Position+1 || h.Messages != lostFrames || h.Last != f.end.Position || h.Hash != f.end.Hash || h.From != "s3" {
			t.Errorf("put back %+v; want up to position %d, from s3", h, f.end.Position)
		}
		if err := s.HealedLogged(h); err != nil {
			t.Error(err)
		}
		if _, again := s.Healed(); again {
			t.Error("it is told again after it was logged")
		}
	}
	if told == 0 && mustTell {
		t.Error("nobody says that messages were put back")
	}
}

// TestLostTailWithoutAnchors: two servers forgot the end and that there was one.
// They go by what they have until the third is heard; then nobody confirms the end,
// and the third puts it back.
func TestLostTailWithoutAnchors(t *testing.T) {
	f := forget(t)
	f.lose(t, true, 0, 1)
	s := openAll(t, f.cfgs[:2]...)
	if last, err := s[0].Last(deadline(t)); err != nil || last != keptFrames {
		t.Fatalf("the log ends at %d, %v; want %d", last, err, keptFrames)
	}
	s = append(s, openAll(t, f.cfgs[2])...)
	if err := s[0].ConfirmEnd(deadline(t)); err != nil {
		t.Errorf("the end is not confirmed after all is back: %v", err)
	}
	f.whole(t, false, s...)
}

// TestLostTailWhileRunning: the third server runs while the log loses its end under
// it, its own replica too. It says so, publishes nothing, and puts back what it has
// in memory.
func TestLostTailWhileRunning(t *testing.T) {
	f := forgetful{cfgs: quickToMiss(trio(t))}
	c := &chain{size: 200}
	f.write(t, c, keptFrames)
	f.keep(t, c)
	s := openAll(t, f.cfgs...)
	for range lostFrames {
		c.must(t, s[0])
	}
	f.end = c.head
	third := s[2]
	if err := third.Anchor(f.end); err != nil {
		t.Fatal(err)
	}
	third.StopServer()
	shutAll(t, s[:2]...)
	f.lose(t, true, 0, 1)
	f.lose(t, false, 2)
	openAll(t, f.cfgs[:2]...)
	if err := third.StartServer(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	guarded := make(chan error, 1)
	go func() { guarded <- third.Guard(ctx) }()
	said := false
	eventually(t, "the log is whole", func() bool {
		said = said || strings.Contains(third.Trouble(), "log_truncated")
		n, err := third.Last(ctx)
		return said && err == nil && n == f.end.Sequence && third.Trouble() == ""
	})
	f.whole(t, true, third)
	c.must(t, third)
	cancel()
	if err := <-guarded; err != nil {
		t.Error(err)
	}
}

// TestLostTailNobodyHas: when all servers are heard and none has the bytes, none
// serves, and each says what is missing on whom.
func TestLostTailNobodyHas(t *testing.T) {
	f := forget(t)
	f.lose(t, false, 0, 1, 2)
	for i := range f.cfgs { // or the first gives up before the last has begun
		f.cfgs[i].ShortWithin = time.Second
	}
	o := newOpening(t)
	for i, cfg := range f.cfgs {
		o.start(deadline(t), i, cfg)
	}
	o.all.Wait()
	for i, err := range o.errs {
		t.Log(err)
		var damaged *natslog.CorruptError
		if !errors.As(err, &damaged) || !errors.Is(err, store.ErrLogTruncated) || damaged.Sequence != keptFrames+1 ||
			damaged.Position != f.mid.Position+1 && damaged.Position != 0 || !strings.Contains(err.Error(), "s3 holds none and knows of 100") {
			t.Errorf("s%d: %v; want it to say what is missing on whom", i+1, err)
		}
	}
}

// TestLostTailFromCopies: JetStream has cut the third server's replica too, and that
// process ended; what it copied aside before is put back.
func TestLostTailFromCopies(t *testing.T) {
	f := forget(t)
	kept := filepath.Join(f.cfgs[2].Dir, "salvage")
	if err := os.CopyFS(kept, os.DirFS(msgs(f.cfgs[2].Dir))); err != nil {
		t.Fatal(err)
	}
	f.lose(t, false, 0, 1, 2)
	f.whole(t, true, openAll(t, f.cfgs...)...)
}

// TestForkedTail: a server that has the frames of before, while the others have
// sequenced over their positions, stays out.
func TestForkedTail(t *testing.T) {
	f := forget(t)
	f.lose(t, true, 0, 1)
	s := openAll(t, f.cfgs[:2]...)
	c := &chain{size: 100, head: f.mid}
	for range 3 {
		c.must(t, s[0])
	}
	_, err := natslog.Open(deadline(t), f.cfgs[2])
	if !errors.Is(err, store.ErrLogTruncated) || !strings.Contains(err.Error(), "s3 holds others, which do not continue the log") {
		t.Errorf("open: %v; want it to stay out", err)
	}
	if last, err := s[0].Last(deadline(t)); err != nil || last != c.head.Sequence {
		t.Errorf("the log ends at %d, %v; want %d", last, err, c.head.Sequence)
	}
}
