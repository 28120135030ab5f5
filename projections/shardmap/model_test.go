package shardmap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// TestViewIsTheWriteModel: after any log the view says of each shard what the
// write model, by which decisions are made, says of it (T2).
func TestViewIsTheWriteModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		log, sim := projectiontest.NewLog(t), projectiontest.NewSim(draw, 20)
		for range 20 {
			sim.Frame(t, log)
		}
		p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), tables()...), log.Head.Position)
		defer projectiontest.Close(t, p)
		v := projectiontest.View(t, p)
		defer v.Release()
		model := shard.NewState()
		err := projections.Events(t.Context(), log, v, 0, v.Position(), func(_ *projections.DecisionInfo, r events.Recorded) error {
			model.Evolve(r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(modelLines(model), viewLines(t, v)); d != "" {
			t.Fatalf("write model against view (-want +got):\n%s", d)
		}
	})
}

func modelLines(s *shard.State) (out []string) {
	s.EachNamespace(func(ns *shard.Namespace) bool {
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			status := "active"
			switch {
			case ns.Deleting, sh.Quarantined():
				status = "disabled"
			case sh.Paused:
				status = "paused"
			case sh.Moving():
				status = "draining"
			}
			out = append(out, fmt.Sprintf("%s/%d v%d %s owner=%s/%d fence=%d last=%s to=%s by=%d %s held=%d strategy=%s overlap=%t silent=%t forced=%t mode=%s/%s out=%d readers=%v",
				ns.Name, id, sh.Version, status, sh.Owner, sh.Session, sh.Fence, sh.LastOwner, sh.MoveTo, sh.MoveDeadline/1e6, phase(sh), held(sh.HeldUntil), ns.Spec.Strategy, ns.Spec.Overlap,
				sh.Silent, sh.Forced(), ns.Spec.Ownership, ns.Spec.OwnershipTTL, sh.QuarantinedAt, sh.Readers.Nodes()))
			return true
		})
		return true
	})
	return out
}

func phase(sh *shard.Shard) controlv1.MovePhase {
	switch {
	case sh.MoveTo == "":
		return controlv1.MovePhase_MOVE_PHASE_UNSPECIFIED
	case sh.MoveStage == eventsv1.MoveStage_MOVE_STAGE_PREPARE:
		return controlv1.MovePhase_MOVE_PHASE_PREPARING
	}
	return controlv1.MovePhase_MOVE_PHASE_RELEASING
}

// held ignores a hold of no length: that the log's time is "held until" says
// nothing.
func held(nanos int64) int64 { return nanos / 1e6 }

func viewLines(t *rapid.T, v *projections.View) (out []string) {
	page, err := shardmap.List(v, shardmap.Filter{}, "", 10_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := page.Decode()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		until := int64(0)
		if r.HeldUntil != nil {
			until = r.HeldUntil.AsTime().UnixNano()
		}
		by := int64(0)
		if r.MoveDeadline != nil {
			by = r.MoveDeadline.AsTime().UnixMilli()
		}
		since := int64(0)
		if r.QuarantinedAt != nil {
			since = r.QuarantinedAt.AsTime().UnixNano()
		}
		status := strings.ToLower(strings.TrimPrefix(r.Status.String(), "SHARD_STATUS_"))
		out = append(out, fmt.Sprintf("%s/%s v%d %s owner=%s/%d fence=%d last=%s to=%s by=%d %s held=%d strategy=%s overlap=%t silent=%t forced=%t mode=%s/%s out=%d readers=%v",
			r.Namespace, r.ShardId, r.Version, status, r.OwnerNodeId, r.SessionId, r.FenceToken, r.LastOwnerNodeId, r.MoveToNodeId, by, r.MovePhase, held(until), r.StrategyId, r.Overlap,
			r.OwnerSilent, r.MoveForced, eventsv1.Ownership(r.Ownership), time.Duration(r.OwnershipTtlMs)*time.Millisecond, since, r.ReaderNodeIds))
	}
	return out
}

// TestQueriesAreExact: lists, diffs and histories against naive ones.
func TestQueriesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		log, sim := projectiontest.NewLog(t), projectiontest.NewSim(draw, 20)
		for range 15 {
			sim.Frame(t, log)
		}
		p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), tables()...), log.Head.Position)
		defer projectiontest.Close(t, p)
		v := projectiontest.View(t, p)
		defer v.Release()
		at, err := v.AsOf(events.Position(draw(int(v.Position())) + 1))
		if err != nil {
			t.Fatal(err)
		}
		filters := []shardmap.Filter{
			{}, {Namespace: "ns1"}, {Owner: "n1"}, {Namespace: "ns0", Owner: "n2"}, {Search: "/1"},
			{Involves: "n1"}, {Namespace: "ns1", Involves: "n2"},
			{Statuses: []controlv1.ShardStatus{controlv1.ShardStatus_SHARD_STATUS_ACTIVE}, Search: "ns2"},
		}
		f := filters[draw(len(filters))]
		for _, when := range []events.Position{0, at} {
			checkList(t, v, f, when, 1+draw(7))
		}
		checkHistory(t, v, f, at, 1+draw(5))
	})
}

func checkList(t *rapid.T, v *projections.View, f shardmap.Filter, at events.Position, size int) {
	var want, got []string
	if err := shardmap.Each(v, shardmap.Filter{}, at, func(raw []byte) bool {
		r, err := shardmap.Codec{}.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(r) {
			want = append(want, r.Namespace+"/"+r.ShardId+" "+r.Checksum)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := shardmap.List(v, f, cursor, size, at)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := page.Decode()
		if err != nil || len(rows) > size {
			t.Fatalf("page of %d rows, at most %d: %v", len(rows), size, err)
		}
		for _, r := range rows {
			got = append(got, r.Namespace+"/"+r.ShardId+" "+r.Checksum)
		}
		cursor = page.Next
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("list %+v at %d by pages of %d (-want +got):\n%s", f, at, size, d)
	}
}

func checkHistory(t *rapid.T, v *projections.View, f shardmap.Filter, from events.Position, size int) {
	// A diff in pieces is the diff in one; each change links to the row before.
	var whole, pieces []string
	byShard := map[string][]string{}
	add := func(to *[]string) func(*controlv1.ShardDiffNotification) error {
		return func(n *controlv1.ShardDiffNotification) error {
			*to = append(*to, render(n))
			return nil
		}
	}
	if _, err := shardmap.Diff(v, f, from, v.Position(), 0, add(&whole)); err != nil {
		t.Fatal(err)
	}
	for at := from; at < v.Position(); {
		next, err := shardmap.Diff(v, f, at, v.Position(), size, add(&pieces))
		if err != nil || next <= at {
			t.Fatalf("diff after %d reached %d: %v", at, next, err)
		}
		at = next
	}
	if d := cmp.Diff(whole, pieces); d != "" {
		t.Fatalf("diff in pieces of %d (-whole +pieces):\n%s", size, d)
	}
	if _, err := shardmap.Diff(v, shardmap.Filter{}, 0, v.Position(), 0, func(n *controlv1.ShardDiffNotification) error {
		r := n.Current
		if r == nil {
			r = n.Previous
		}
		id := r.Namespace + "/" + r.ShardId
		byShard[id] = append(byShard[id], render(n))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for id, want := range byShard {
		var got []string
		ns, n, _ := strings.Cut(id, "/")
		for after, more := events.Position(0), true; more; more = after != 0 {
			items, next, err := shardmap.History(v, ns, n, after, size, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				got = append(got, render(item))
			}
			after = next
		}
		if !slices.Equal(want, got) {
			t.Fatalf("history of %s (-want +got):\n%s", id, cmp.Diff(want, got))
		}
	}
}

func render(n *controlv1.ShardDiffNotification) string {
	return fmt.Sprintf("%d %s %s -> %s by %s, before: %s", n.Position, n.History.Event, n.Previous.GetChecksum(), n.Current.GetChecksum(), n.History.Actor, n.History.PreviousOwnerNodeId)
}

func TestCursorsAreChecked(t *testing.T) {
	log := projectiontest.NewLog(t)
	p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), tables()...), 1)
	defer projectiontest.Close(t, p)
	v := projectiontest.View(t, p)
	defer v.Release()
	for _, cursor := range []string{"!", "YQ", "AAAA"} {
		if _, err := shardmap.List(v, shardmap.Filter{}, cursor, 1, 0); err == nil {
			t.Errorf("cursor %q was taken", cursor)
		}
	}
	for _, id := range []string{"", "-1", "01", "4294967296", "x"} {
		if _, ok, err := shardmap.Get(v, "demo", id, 0); ok || err != nil {
			t.Errorf("shard id %q: found %v, error %v", id, ok, err)
		}
	}
}
