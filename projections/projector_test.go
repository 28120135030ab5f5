package projections_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

func policies(versions ...uint64) []*eventsv1.Event {
	var es []*eventsv1.Event
	for _, v := range versions {
		es = append(es, projectiontest.Policy(v))
	}
	return es
}

func TestPositionsAndTimes(t *testing.T) {
	log := projectiontest.NewLog(t) // position 1, second 1
	log.Append(t, projectiontest.Decide("user/ann", policies(1, 2, 3)...), projectiontest.Decide("user/bob", policies(4)...))
	log.Era(t, 2, 1000) // 6 to 999 are void
	log.Append(t, projectiontest.Decide("user/ann", policies(5, 6)...))
	p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), registry.Policies{}), log.Head.Position)
	defer projectiontest.Close(t, p)
	v := projectiontest.View(t, p)
	defer v.Release()

	for at, want := range map[events.Position]string{
		0: "0", 1: "1", 2: "1", 3: "1", 4: "4", 5: "5",
		6: "position_void: position 6 was lost with an earlier era; positions after 5 and before 1000 are void", 999: "position_void: position 999 was lost with an earlier era; positions after 5 and before 1000 are void",
		1000: "1000", 1001: "1000", 1002: "1002", 1003: "position 1003 is beyond the head, 1002",
	} {
		got := ""
		if p, err := v.AsOf(at); err != nil {
			got = err.Error()
		} else {
			got = p.String()
		}
		if got != want {
			t.Errorf("as of %d: %s, want %s", at, got, want)
		}
	}
	const second, epoch = 1_000_000_000, 1_700_000_000_000_000_000
	for seconds, want := range map[int64]events.Position{0: 0, 1: 1, 2: 5, 3: 1000, 4: 1002, 9: 1002} {
		if got, err := v.AtTime(epoch + seconds*second + second/2); err != nil || got != want {
			t.Errorf("at second %d and a half: position %d (%v), want %d", seconds, got, err, want)
		}
	}
	d, err := v.Decision(3)
	if err != nil {
		t.Fatal(err)
	}
	e := d.Event(3)
	if got, want := fmt.Sprintf("%d %d %d %s %s %s", e.First, e.Last, e.Sequence, e.Actor, e.Reason, e.Type), "2 4 2 user/ann because PolicySet"; got != want {
		t.Errorf("decision of 3: %s, want %s", got, want)
	}
}

func TestEventsAreReadBackVerified(t *testing.T) {
	log := projectiontest.NewLog(t)
	log.Append(t, projectiontest.Decide("user/ann", policies(1, 2)...), projectiontest.Decide("user/bob", policies(3)...))
	log.Append(t, projectiontest.Decide("user/ann", policies(4)...))
	p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), registry.Policies{}), log.Head.Position)
	defer projectiontest.Close(t, p)
	v := projectiontest.View(t, p)
	defer v.Release()
	var got []string
	read := func(from, to events.Position) error {
		return projections.Events(t.Context(), log, v, from, to, func(d *projections.DecisionInfo, r events.Recorded) error {
			got = append(got, fmt.Sprintf("%d of %d by %s", r.Position, d.Last, r.Meta.Actor))
			return nil
		})
	}
	if err := read(2, 4); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"3 of 3 by user/ann", "4 of 4 by user/bob"}, got); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	corrupt(t, log, 3, 40)
	if err := read(4, 5); err == nil {
		t.Error("a changed frame was read without an error")
	}
}

// TestTheLogWins: a directory that is ahead of the log, or of another one, is
// moved away and built anew, or refused.
func TestTheLogWins(t *testing.T) {
	long := projectiontest.NewLog(t)
	long.Append(t, projectiontest.Decide("user/ann", policies(1, 2)...))
	other := projectiontest.NewLog(t)
	other.Append(t, projectiontest.Decide("user/eve", policies(9)...))
	for name, log := range map[string]*projectiontest.Log{"ahead": projectiontest.NewLog(t), "differs": other} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			cfg := projectiontest.Config(fs, registry.Policies{})
			projectiontest.Close(t, projectiontest.RunTo(t, long, cfg, 3))

			refuse := cfg
			refuse.OnDivergence = projections.Refuse
			var diverged *projections.DivergedError
			if _, err := projections.Open(t.Context(), log, refuse); !errors.As(err, &diverged) || diverged.Mark.Position != 3 {
				t.Fatalf("open, refusing: %v, want a DivergedError at 3", err)
			}
			p := projectiontest.RunTo(t, log, cfg, log.Head.Position)
			lost := p.Lost()
			if lost == nil || lost.Mark.Position != 3 || lost.Quarantined == "" {
				t.Fatalf("lost: %v, want position 3 and a directory", lost)
			}
			if _, err := fs.Stat(lost.Quarantined); err != nil {
				t.Errorf("quarantined directory: %v", err)
			}
			if p.Position() != log.Head.Position {
				t.Errorf("position %d, want %d", p.Position(), log.Head.Position)
			}
			projectiontest.Close(t, p)
		})
	}
}

// A directory of an older release is no reason not to start, one of a newer is.
func TestOlderFormatIsBuiltAnew(t *testing.T) {
	log := projectiontest.NewLog(t)
	log.Append(t, projectiontest.Decide("user/ann", policies(1)...))
	fs := vfs.NewMem()
	cfg := projectiontest.Config(fs, registry.Policies{})
	projectiontest.Close(t, projectiontest.RunTo(t, log, cfg, log.Head.Position))
	rewrite := func(version int) {
		f, err := fs.Create(fs.PathJoin(cfg.Dir, "OMNIRELAY-KV"), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(f, "omnirelay-kv format %d comparer omnirelay.kv.v1\n", version)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(kv.FormatVersion - 1)
	p := projectiontest.RunTo(t, log, cfg, log.Head.Position)
	if lost := p.Lost(); lost != nil {
		t.Errorf("an older format counts as lost: %v", lost)
	}
	projectiontest.Close(t, p)
	rewrite(kv.FormatVersion + 1)
	var format *kv.FormatError
	if _, err := projections.Open(t.Context(), log, cfg); !errors.As(err, &format) || !format.Newer() {
		t.Errorf("error %v, want a newer FormatError", err)
	}
}

func TestBrokenChainEndsRun(t *testing.T) {
	log := projectiontest.NewLog(t)
	log.Append(t, projectiontest.Decide("user/ann", policies(1)...))
	log.Append(t, projectiontest.Decide("user/ann", policies(2)...))
	corrupt(t, log, 2, 60)
	p, err := projections.Open(t.Context(), log, projectiontest.Config(vfs.NewMem(), registry.Policies{}))
	if err != nil {
		t.Fatal(err)
	}
	var broken *events.ChainError
	if err := p.Run(t.Context()); !errors.As(err, &broken) {
		t.Errorf("run over a changed frame: %v, want a ChainError", err)
	}
	if p.Position() > 2 {
		t.Errorf("position %d was published over a broken chain", p.Position())
	}
	projectiontest.Close(t, p)
}

func TestWaitForHonoursItsContext(t *testing.T) {
	log := projectiontest.NewLog(t)
	p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem()), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitFor(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("wait beyond the head: %v, want context.Canceled", err)
	}
	v := projectiontest.View(t, p)
	if err := p.Close(); !errors.Is(err, kv.ErrInUse) {
		t.Errorf("close under a view: %v, want kv.ErrInUse", err)
	}
	v.Release()
	projectiontest.Close(t, p)
	if _, err := p.View(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("view after close: %v, want ErrClosed", err)
	}
}

// newer is a table in a later version of its rows.
type newer struct{ projections.Table }

func (n newer) Spec() kv.Table {
	s := n.Table.Spec()
	s.Version++
	return s
}

// TestNewVersionIsRebuilt: the old version serves at the old position until the
// new one has caught up; then both tables go on; rows and counters are equal to
// those of a directory that never knew another version.
func TestNewVersionIsRebuilt(t *testing.T) {
	log := busyLog(t, 500)
	fs := vfs.NewMem()
	old := []projections.Table{shardmap.Table{}, registry.Peers{}}
	projectiontest.Close(t, projectiontest.RunTo(t, log, projectiontest.Config(fs, old...), log.Head.Position))
	before := log.Head.Position
	log.Append(t, projectiontest.Decide("user/ann", busyEvent(1, 1000, 20)))

	// All but peers is as it was; the shards have a new version; leaders are new.
	now := []projections.Table{newer{shardmap.Table{}}, registry.Peers{}, registry.Leaders{}}
	p, err := projections.Open(t.Context(), log, projectiontest.Config(fs, now...))
	if err != nil {
		t.Fatal(err)
	}
	if p.Position() != before {
		t.Errorf("before the flip the view is at %d, want %d", p.Position(), before)
	}
	v := projectiontest.View(t, p)
	served := projectiontest.Rows(t, v, old, 0)
	if _, _, _, err := v.Get(registry.LeadersID, kv.Key{}.String("x"), 0); !errors.Is(err, projections.ErrNotReady) {
		t.Errorf("a table before its first build: %v, want ErrNotReady", err)
	}
	v.Release()
	projectiontest.Close(t, p)

	p = projectiontest.RunTo(t, log, projectiontest.Config(fs, now...), log.Head.Position)
	defer projectiontest.Close(t, p)
	fresh := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), now...), log.Head.Position)
	defer projectiontest.Close(t, fresh)
	a, b := projectiontest.View(t, p), projectiontest.View(t, fresh)
	defer a.Release()
	defer b.Release()
	if d := cmp.Diff(projectiontest.Everything(t, b, now), projectiontest.Everything(t, a, now)); d != "" {
		t.Errorf("rebuilt against fresh (-want +got):\n%s", d)
	}
	if d := cmp.Diff(served, projectiontest.Rows(t, a, old, before)); d != "" {
		t.Errorf("as of the old position (-served +now):\n%s", d)
	}
	x, errX := shardmap.Count(a, "demo")
	y, errY := shardmap.Count(b, "demo")
	if d := cmp.Diff(y, x); d != "" || errX != nil || errY != nil {
		t.Errorf("counters (-fresh +rebuilt), %v, %v:\n%s", errX, errY, d)
	}
}

// cutter clones the disk in the middle of an event that goes in several commits.
type cutter struct {
	projections.Table
	fs    *vfs.MemFS
	at    events.Position
	clone **vfs.MemFS
}

func (c cutter) Apply(rows *projections.Rows, rec events.Recorded) {
	c.Table.Apply(rows, rec)
	if rec.Position == c.at {
		*c.clone = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	}
}

// TestCutDecisionIsRedone: a process that dies inside a decision, with a part of
// its rows committed, goes on from that part, shows nothing before the decision
// is whole, and ends with the same rows and counters.
func TestCutDecisionIsRedone(t *testing.T) {
	log := projectiontest.NewLog(t)
	log.Append(t, projectiontest.Decide("user/ann",
		&eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{
			Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: 300, StrategyId: "optimal"},
		}}},
		&eventsv1.Event{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
			Namespace: "demo", Assignments: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 1, Shards: events.PackShards(upTo(300))}},
		}}},
	))
	tables := []projections.Table{shardmap.Table{}}
	whole := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), tables...), log.Head.Position)
	defer projectiontest.Close(t, whole)
	want := projectiontest.View(t, whole)
	defer want.Release()

	for _, at := range []events.Position{2, 3} {
		var clone *vfs.MemFS
		fs := vfs.NewCrashableMem()
		cfg := projectiontest.Config(fs, cutter{shardmap.Table{}, fs, at, &clone})
		projectiontest.Close(t, projectiontest.RunTo(t, log, cfg, log.Head.Position))

		cut := projectiontest.Config(clone, tables...)
		p, err := projections.Open(t.Context(), log, cut)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.View(); !errors.Is(err, projections.ErrNotReady) {
			t.Errorf("cut in event %d: view before the redo: %v, want ErrNotReady", at, err)
		}
		projectiontest.Close(t, p)
		p = projectiontest.RunTo(t, log, cut, log.Head.Position)
		v := projectiontest.View(t, p)
		if d := cmp.Diff(projectiontest.Everything(t, want, tables), projectiontest.Everything(t, v, tables)); d != "" {
			t.Errorf("cut in event %d: redone against whole (-want +got):\n%s", at, d)
		}
		x, _ := shardmap.Count(want, "demo")
		y, err := shardmap.Count(v, "demo")
		if d := cmp.Diff(x, y); d != "" || err != nil {
			t.Errorf("cut in event %d: counters (-want +got), %v:\n%s", at, err, d)
		}
		v.Release()
		projectiontest.Close(t, p)
	}
}

func upTo(n uint32) []uint32 {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(i)
	}
	return ids
}

func corrupt(t *testing.T, log *projectiontest.Log, sequence uint64, at int) {
	t.Helper()
	if err := log.Corrupt(sequence, at); err != nil {
		t.Fatal(err)
	}
}
