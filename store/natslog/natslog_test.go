package natslog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
	"github.com/omnirelay/omnirelay/store/storetest"
)

func TestMain(m *testing.M) {
	// nats-server's own, in a server without a client listener: see embedded.Server.Start.
	// A replica that is taken out while nats-server makes its store leaves that store
	// open: seen after TestRemovedEnds, whose process would have ended.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*Server).StartRouting"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// small is a log of few blocks: JetStream sizes them by MaxLogBytes.
func small(dir string) natslog.Config {
	cfg := natslog.DefaultConfig(dir, "test")
	cfg.MaxLogBytes = 64 << 20
	cfg.AckTimeout = 10 * time.Second
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func open(t testing.TB, cfg natslog.Config) *natslog.Store {
	t.Helper()
	s, err := natslog.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func shut(t testing.TB, s *natslog.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend { return backend(t, small(t.TempDir())) })
}

// TestConformanceBehindTail runs the suite with a tail that holds almost nothing,
// so that followers read from JetStream.
func TestConformanceBehindTail(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		cfg := small(t.TempDir())
		cfg.TailFrames = 16
		return backend(t, cfg)
	})
}

func backend(t *testing.T, cfg natslog.Config) storetest.Backend {
	s := open(t, cfg)
	return storetest.Backend{
		Log: s, Register: s.Register(),
		Reopen: func(t *testing.T) storetest.Backend {
			shut(t, s)
			return backend(t, cfg)
		},
	}
}

// chain makes frames that continue each other, with two events each.
type chain struct {
	head store.Mark
	size int
	era  uint64 // 0 is 1
}

func (c *chain) next(t testing.TB) []byte {
	t.Helper()
	id := make([]byte, 16)
	id[0] = 7
	f := &eventsv1.Frame{LogId: id, Era: max(c.era, 1), First: uint64(c.head.Position) + 1, Time: 1}
	if c.head.Position > 0 {
		f.PrevHash = c.head.Hash[:]
	}
	d := &eventsv1.Decision{Meta: &eventsv1.Meta{}, Events: []*eventsv1.Event{{}, {}}}
	d.Meta.Actor = fmt.Sprintf("%0*d", c.size, c.head.Sequence)
	f.Decisions = []*eventsv1.Decision{d}
	data, err := events.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	copy(c.head.LogID[:], id)
	c.head.Era, c.head.Time = f.Era, 1
	c.head.Position += 2
	c.head.Hash = events.HashOf(data)
	c.head.Sequence++
	return data
}

func (c *chain) publish(t testing.TB, s *natslog.Store) error {
	expect := c.head.Sequence
	return s.Publish(t.Context(), expect, c.next(t))
}

// fill publishes n frames and anchors each.
func (c *chain) fill(t testing.TB, s *natslog.Store, n int) {
	t.Helper()
	for range n {
		if err := c.publish(t, s); err != nil {
			t.Fatalf("publish: %v", err)
		}
		if err := s.Anchor(c.head); err != nil {
			t.Fatalf("anchor: %v", err)
		}
	}
}

func msgs(dir string) string { return filesIn(dir).Dir }

// filesIn are the log's files in a directory.
func filesIn(dir string) jsfile.Blocks { return jsfile.Log(dir, "MESH_test_1") }

func TestSecondOpenIsLockedOut(t *testing.T) {
	cfg := small(t.TempDir())
	s := open(t, cfg)
	_, err := natslog.Open(t.Context(), cfg)
	if !errors.Is(err, store.ErrLocked) {
		t.Fatalf("second open: %v; want %v", err, store.ErrLocked)
	}
	shut(t, s)
	open(t, cfg)
}

func TestCloseTwiceAndUseAfter(t *testing.T) {
	s := open(t, small(t.TempDir()))
	shut(t, s)
	shut(t, s)
	if err := s.Publish(t.Context(), 0, []byte("x")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Publish: %v; want %v", err, store.ErrClosed)
	}
	if err := s.Follow(t.Context(), 1, nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Follow: %v; want %v", err, store.ErrClosed)
	}
	if err := s.Anchor(store.Mark{Sequence: 1}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Anchor: %v; want %v", err, store.ErrClosed)
	}
	if _, _, err := s.Register().Read(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Register.Read: %v; want %v", err, store.ErrClosed)
	}
	if err := s.Refusals().Record(t.Context(), nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Refusals.Record: %v; want %v", err, store.ErrClosed)
	}
}

func TestCloseEndsFollow(t *testing.T) {
	s := open(t, small(t.TempDir()))
	done := make(chan error, 1)
	go func() { done <- s.Follow(t.Context(), 1, func(store.Message) error { return nil }) }()
	shut(t, s)
	if err := <-done; !errors.Is(err, store.ErrClosed) {
		t.Fatalf("Follow: %v; want %v", err, store.ErrClosed)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	good := small(t.TempDir())
	for name, change := range map[string]func(*natslog.Config){
		"Dir":         func(c *natslog.Config) { c.Dir = "" },
		"Cluster":     func(c *natslog.Config) { c.Cluster = "a.b" },
		"MaxLogBytes": func(c *natslog.Config) { c.MaxLogBytes = 1 },
		"AnchorSync":  func(c *natslog.Config) { c.AnchorSync = 0 },
	} {
		cfg := good
		change(&cfg)
		if _, err := natslog.Open(t.Context(), cfg); err == nil {
			t.Errorf("a wrong %s was accepted", name)
		}
	}
}

func TestStateAndEra(t *testing.T) {
	cfg := small(t.TempDir())
	s := open(t, cfg)
	if s.State() != natslog.Genesis || s.Era() != 1 {
		t.Fatalf("state %s, era %d; want genesis, 1", s.State(), s.Era())
	}
	shut(t, s)
	s = open(t, cfg) // an empty stream is still genesis
	if s.State() != natslog.Genesis {
		t.Fatalf("state %s; want genesis", s.State())
	}
	c := &chain{}
	c.fill(t, s, 3)
	shut(t, s)
	s = open(t, cfg)
	if mark, ok := s.Anchored(); s.State() != natslog.Existing || !ok || mark != c.head {
		t.Fatalf("state %s, anchor %v %t; want existing, %v", s.State(), mark, ok, c.head)
	}
	shut(t, s)
	if mark, ok, err := natslog.ReadAnchor(cfg.Dir); err != nil || !ok || mark != c.head {
		t.Fatalf("ReadAnchor = %v, %t, %v; want %v", mark, ok, err, c.head)
	}
	cfg.Era = 2
	if _, err := natslog.Open(t.Context(), cfg); err == nil {
		t.Fatal("an era other than the anchor's was accepted")
	}
}

func TestLogMissing(t *testing.T) {
	cfg := small(t.TempDir())
	s := open(t, cfg)
	(&chain{}).fill(t, s, 3)
	shut(t, s)
	if err := os.RemoveAll(filepath.Join(cfg.Dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	if _, err := natslog.Open(t.Context(), cfg); !errors.Is(err, store.ErrLogMissing) {
		t.Fatalf("open: %v; want %v", err, store.ErrLogMissing)
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "jetstream")); !os.IsNotExist(err) {
		t.Fatal("a missing log was created anew")
	}
}

func TestKnownEnd(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.Known = store.Mark{Sequence: 1}
	if _, err := natslog.Open(t.Context(), cfg); !errors.Is(err, store.ErrLogMissing) {
		t.Fatalf("open: %v; want %v", err, store.ErrLogMissing)
	}
	cfg.Known = store.Mark{}
	s := open(t, cfg)
	c := &chain{}
	c.fill(t, s, 3)
	shut(t, s)

	cfg.Known = store.Mark{Sequence: 4}
	if _, err := natslog.Open(t.Context(), cfg); !errors.Is(err, store.ErrLogTruncated) {
		t.Fatalf("open: %v; want %v", err, store.ErrLogTruncated)
	}
	cfg.Known = c.head
	cfg.Known.Hash[0] ^= 1
	if _, err := natslog.Open(t.Context(), cfg); !errors.Is(err, natslog.ErrCorrupt) {
		t.Fatalf("open: %v; want %v", err, natslog.ErrCorrupt)
	}
	cfg.Known = c.head
	open(t, cfg)
}

func TestLogFull(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.MaxLogBytes = 1 << 20
	s := open(t, cfg)
	c := &chain{size: 50_000}
	warned := false
	for {
		err := c.publish(t, s)
		if errors.Is(err, store.ErrLogFull) {
			break
		}
		if err != nil {
			t.Fatalf("publish: %v", err)
		}
		warned = s.Usage().Full()
		if c.head.Sequence > 100 {
			t.Fatalf("the log takes more than its bound: %+v", s.Usage())
		}
	}
	if !warned {
		t.Fatalf("the log was full without being in its reserve: %+v", s.Usage())
	}
	first, err := s.Load(t.Context(), 1)
	if err != nil || first.Sequence != 1 {
		t.Fatalf("the head of a full log: %v; it must never be forgotten", err)
	}
}

func TestRefusals(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.MaxRefusals = 5
	s := open(t, cfg)
	for i := range 8 {
		if err := s.Refusals().Record(t.Context(), []byte{byte(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Refusals().List(t.Context(), 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Sequence != 4 || got[0].Data[0] != 4 || got[2].Sequence != 6 {
		t.Fatalf("List = %v; want the records 4, 5, 6", got)
	}
	if got, err = s.Refusals().List(t.Context(), 7, 10); err != nil || len(got) != 1 || got[0].Sequence != 8 {
		t.Fatalf("List = %v, %v; want record 8", got, err)
	}
}
