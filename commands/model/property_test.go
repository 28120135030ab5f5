package model_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/events"
)

// TestHistories drives the model through random histories. Every decision is
// checked by world, every event by witness (L1, L2, L4, S1, S3, S4, S7, S10,
// A2), and at the end the log is read again.
func TestHistories(t *testing.T) {
	given := map[string]int{}
	// A generator that never gets somewhere checks nothing there; what comes rarely
	// may need one more round.
	for round := 0; round == 0 || round < 5 && len(missing(given)) > 0; round++ {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(t, given)
			first := w.begin()
			w.submit(first, commands.Request{Command: control.StartEra{Cluster: "c1"}, Actor: "node/s0"})
			// So that shards are quarantined often enough.
			one, many := uint32(1), uint32(100)
			w.submit(first, commands.Request{Command: policy.SetQuarantine{Deaths: &one, MaxAtOnce: &many}, Actor: "node/s0"})
			w.store(first)
			for range rapid.IntRange(50, 150).Draw(t, "frames") {
				w.step()
			}
			w.checkReplay()
			w.checkAgain()
		})
	}
	t.Logf("decisions with events: %v", given)
	if names := missing(given); len(names) > 0 {
		t.Errorf("no %s had an effect in any history", strings.Join(names, ", "))
	}
}

// missing are the commands that had no effect yet; none in the short runs of a
// debugging session.
func missing(given map[string]int) (names []string) {
	total := 0
	for _, n := range given {
		total += n
	}
	if total < 2000 {
		return nil
	}
	for _, name := range []string{
		"membership.JoinServer", "membership.LoseServer", "membership.ReturnServer", "membership.OpenSession", "membership.CloseSession", "membership.Leave", "membership.Cordon",
		"membership.Uncordon", "membership.Update", "leadership.Campaign", "leadership.Resign", "leadership.Elect",
		"leadership.GrantControl", "shard.Create", "shard.Update", "shard.Delete", "shard.FinishDelete", "shard.Assign",
		"shard.Move", "shard.Rebalance", "shard.PlaceReaders", "shard.Release", "shard.FailMoves", "shard.CancelMoves", "shard.Pause", "shard.Resume", "shard.Rebind", "shard.ExpireOwnership",
		"membership.Drain", "membership.CancelDrain", "membership.FinishDrain", "membership.StallDrain", "membership.Maintain",
		"policy.CreateMaintenance", "policy.EndMaintenance", "policy.DeleteMaintenance",
		"policy.SetSession", "policy.SetQuarantine", "shard.Unquarantine", "schedule.Create", "schedule.Remove",
		"schedule.Fire", "schedule.Pause", "schedule.Resume", "control.StartEra", "control.Seal", "control.Unseal",
	} {
		if given[name] == 0 {
			names = append(names, name)
		}
	}
	return names
}

// step writes one frame of some decisions, or drops it as if it were refused.
func (w *world) step() {
	d := w.begin()
	before := image(w.t, w.stored)
	some := draw{m: d.overlay, rnd: rand.New(rand.NewPCG(rapid.Uint64().Draw(w.t, "frame"), uint64(len(w.frames))))}
	for range 1 + some.int(4) {
		w.submit(d, w.request(some))
	}
	if !bytes.Equal(before, image(w.t, w.stored)) {
		w.t.Fatalf("deciding and evolving on a clone has changed the stored model")
	}
	if some.int(6) > 0 {
		w.store(d)
	}
	passing := []time.Duration{0, 0, time.Millisecond, time.Second, time.Second, 31 * time.Second, 11 * time.Minute, time.Hour}
	w.now += int64(passing[some.int(len(passing))])
}

// checkReplay: reading the log from its start, or from a snapshot anywhere in
// it, gives the same model (T2, T4).
func (w *world) checkReplay() {
	want := image(w.t, w.stored)
	cut := rapid.IntRange(0, len(w.frames)).Draw(w.t, "cut")
	for name, at := range map[string]int{"start": -1, "a snapshot": cut} {
		m, head := model.New(), events.Head{}
		for i, b := range w.frames {
			if i == at {
				m = restored(w.t, image(w.t, m))
			}
			f, next, err := head.Next(b)
			if err != nil {
				w.t.Fatalf("replay: %v", err)
			}
			m.EvolveFrame(f)
			head = next
		}
		if !bytes.Equal(want, image(w.t, m)) {
			w.t.Fatalf("replay from %s (frame %d of %d) gives another model", name, at, len(w.frames))
		}
	}
	if !bytes.Equal(want, image(w.t, restored(w.t, want))) {
		w.t.Fatalf("a model from an image has another image")
	}
}

// checkAgain: the same requests at the same times give the same log, byte for
// byte (T8).
func (w *world) checkAgain() {
	again := newWorld(w.t, map[string]int{})
	for len(w.asked) > 0 {
		frame := w.asked[0].frame
		n := slices.IndexFunc(w.asked, func(a asked) bool { return a.frame != frame })
		if n < 0 {
			n = len(w.asked)
		}
		again.now = w.asked[0].at
		d := again.begin()
		for _, a := range w.asked[:n] {
			again.submit(d, a.req)
		}
		again.store(d)
		w.asked = w.asked[n:]
	}
	if !slices.EqualFunc(w.frames, again.frames, bytes.Equal) {
		w.t.Fatalf("the same requests gave another log")
	}
}
