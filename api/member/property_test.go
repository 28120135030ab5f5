package member

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world drives a core with whatever may happen and watches what it does. It
// knows the rules, not the code: fences are positions, sessions are positions,
// rows come in any order of the past.
type world struct {
	t    *rapid.T
	core *Core
	// twin is stepped alike but looks at everything in each step.
	twin *Core

	now      int64
	position int64 // the log's head
	session  int64 // 0 without one
	ttl      time.Duration
	lease    int64
	heard    map[int64]int64 // session → when the last answered heartbeat was sent
	rows     map[Ref]Row     // as the core was last told at a position it had to believe
	believed int64
	running  map[Ref]int64
	of       map[Ref]int64 // the session that it runs for
	ended    map[Ref]bool  // told to end
	released map[Ref]int64
	preps    map[Ref]*prepared
	leaving  bool
}

// prepared is a preparation as the world sees it.
type prepared struct {
	fence          int64
	running, ended bool
}

func newWorld(t *rapid.T) *world {
	return &world{
		t: t, core: NewCore("n1"), twin: NewCore("n1"), ttl: 8 * time.Second,
		rows: map[Ref]Row{}, heard: map[int64]int64{}, running: map[Ref]int64{}, of: map[Ref]int64{}, ended: map[Ref]bool{}, released: map[Ref]int64{},
		preps: map[Ref]*prepared{},
	}
}

func (w *world) ref() Ref {
	return Ref{Namespace: rapid.SampledFrom([]string{"a", "b", "fenced", "ride", "sticky"}).Draw(w.t, "ns"), Shard: uint32(rapid.IntRange(0, 1).Draw(w.t, "shard"))}
}

// longRide is for how long ownerships of the namespace "ride" go on.
const longRide = 30 * time.Second

// mode is how a namespace is owned.
func mode(namespace string) (Mode, int64) {
	switch namespace {
	case "fenced":
		return Fenced, int64(longRide)
	case "ride":
		return Leased, int64(longRide)
	case "sticky":
		return Sticky, 0
	}
	return Leased, 0
}

// until is when what runs may act no more, by the rules and the world's own notes.
func (w *world) until(ref Ref) int64 {
	session := w.of[ref]
	lease := int64(0)
	if sent, ok := w.heard[session]; ok && session == w.session {
		lease = sent + int64(w.ttl) - int64(w.ttl)/8
	}
	switch m, ttl := mode(ref.Namespace); {
	case m != Leased:
		return math.MaxInt64
	case ttl > 0:
		return max(lease, w.heard[session]+ttl-ttl/8)
	}
	return lease
}

// mine reports whether the log, as far as is known here, gives a shard to what runs.
func (w *world) mine(ref Ref) bool {
	r, ok := w.rows[ref]
	return ok && r.Owner == "n1" && r.Session == w.of[ref] && r.Fence == w.running[ref]
}

func (w *world) row() Row {
	r := Row{Ref: w.ref(), Owner: rapid.SampledFrom([]string{"n1", "n1", "n1", "n2"}).Draw(w.t, "owner")}
	r.Mode, r.TTL = mode(r.Namespace)
	r.Session = w.session
	if rapid.IntRange(0, 4).Draw(w.t, "other session") == 0 {
		r.Session = max(1, w.session-1)
	}
	// Fences are positions after the session's.
	r.Fence = rapid.Int64Range(max(1, w.session), max(1, w.position)).Draw(w.t, "fence")
	if old, ok := w.rows[r.Ref]; ok && old.Session == r.Session && old.Fence >= w.session && rapid.Bool().Draw(w.t, "same fence") {
		r.Fence = old.Fence
	}
	r.Draining = rapid.IntRange(0, 3).Draw(w.t, "draining") == 0
	if r.Owner != "n1" {
		r.To = rapid.SampledFrom([]string{"", "n1", "n1", "n3"}).Draw(w.t, "to")
		if r.To != "" && rapid.IntRange(0, 3).Draw(w.t, "owner died") == 0 {
			r.Owner, r.Session = "", 0
		}
	}
	return r
}

// at is a position that a server may answer from: now and then behind.
func (w *world) at() int64 {
	w.position += rapid.Int64Range(0, 3).Draw(w.t, "commits")
	if rapid.IntRange(0, 4).Draw(w.t, "behind") == 0 {
		return rapid.Int64Range(0, w.position).Draw(w.t, "past")
	}
	return w.position
}

func (w *world) believe(position int64) bool {
	if position < w.believed {
		return false
	}
	w.believed = position
	return true
}

// step steps both cores and checks what the first one says.
func (w *world) step(in Input) []Output {
	before := w.core.Position()
	out, wake := w.core.Step(w.now, in)
	w.twin.all = true
	twin, twinWake := w.twin.Step(w.now, in)
	if diff := cmp.Diff(twin, out); diff != "" || wake != twinWake && (wake != w.core.ends || twinWake != 0 && twinWake < wake) {
		w.t.Fatalf("incremental differs from full after %#v (-full +incremental):\n%s", in, diff)
	}
	if w.core.Position() < before {
		w.t.Fatalf("position fell from %d to %d", before, w.core.Position())
	}
	for _, o := range out {
		w.output(o)
	}
	w.check()
	return out
}

func (w *world) output(o Output) {
	switch x := o.(type) {
	case Start:
		if _, twice := w.running[x.Ref]; twice {
			w.t.Fatalf("%v started while its callback runs", x)
		}
		if w.now >= w.lease || w.session == 0 || w.leaving {
			w.t.Fatalf("%v at %d with lease until %d, session %d, leaving %t", x, w.now, w.lease, w.session, w.leaving)
		}
		if r := w.rows[x.Ref]; r.Owner != "n1" || r.Session != w.session || r.Fence != x.Fence {
			w.t.Fatalf("%v but the row is %+v, the session %d", x, r, w.session)
		}
		if x.Fence <= w.released[x.Ref] {
			w.t.Fatalf("%v although fence %d was released", x, w.released[x.Ref])
		}
		if m, ttl := mode(x.Ref.Namespace); x.Mode != m || int64(x.TTL) != ttl {
			w.t.Fatalf("%v of a namespace that is owned in mode %d for %d", x, m, ttl)
		}
		if p := w.preps[x.Ref]; p != nil && p.running {
			w.t.Fatalf("%v started while it is prepared", x)
		}
		delete(w.preps, x.Ref)
		w.running[x.Ref], w.of[x.Ref] = x.Fence, w.session
		delete(w.ended, x.Ref)
	case Prepare:
		w.prepare(x)
	case EndPrepare:
		p := w.preps[x.Ref]
		if p == nil || p.fence != x.Fence || p.ended {
			w.t.Fatalf("%v but the preparation is %+v", x, p)
		}
		if p.ended = true; !p.running {
			delete(w.preps, x.Ref)
		}
	case End:
		if w.running[x.Ref] != x.Fence {
			w.t.Fatalf("%v but %d runs", x, w.running[x.Ref])
		}
		w.ending(x)
		w.ended[x.Ref] = true
	case Beat:
		for _, h := range x.Held {
			if p := w.preps[h.Ref]; h.State == Prepared && (p == nil || p.running || p.ended || p.fence != h.Fence) {
				w.t.Fatalf("%v reported as prepared, it is %+v", h, p)
			}
			if h.State != Released {
				continue
			}
			if w.running[h.Ref] == h.Fence {
				w.t.Fatalf("%v reported as released while its callback runs", h)
			}
			w.released[h.Ref] = max(w.released[h.Ref], h.Fence)
		}
	case Leave:
		if len(w.running) > 0 && x.Session != 0 {
			w.t.Fatalf("leaves while %v run", w.running)
		}
	}
}

// ending checks that nothing ends without its reason: what outlives a session is
// ended by its own time, and by the log.
func (w *world) ending(x End) {
	m, ttl := mode(x.Ref.Namespace)
	switch x.Cause {
	case EndReleased:
		if !w.leaving && !w.rows[x.Ref].Draining {
			w.t.Fatalf("%v, and nobody asked", x)
		}
	case EndLease:
		if w.now < w.until(x.Ref) {
			w.t.Fatalf("%v at %d, it may act until %d", x, w.now, w.until(x.Ref))
		}
	default:
		if w.mine(x.Ref) && (w.of[x.Ref] == w.session || m != Leased || ttl > 0) {
			w.t.Fatalf("%v of session %d, and the row is %+v", x, w.of[x.Ref], w.rows[x.Ref])
		}
		if r := w.rows[x.Ref]; x.Cause == EndRebound && (r.Owner != "n1" || r.Session != w.session || w.session <= w.of[x.Ref]) {
			w.t.Fatalf("%v of session %d, and the row is %+v", x, w.of[x.Ref], r)
		}
	}
}

// prepare is asked for only by a live member, for what comes and does not run.
func (w *world) prepare(x Prepare) {
	r := w.rows[x.Ref]
	_, runs := w.running[x.Ref]
	switch {
	case w.preps[x.Ref] != nil || runs:
		w.t.Fatalf("%v beside %+v, runs %t", x, w.preps[x.Ref], runs)
	case r.To != "n1" || r.Owner == "n1" || r.Owner == "" || r.Fence != x.Fence || r.Owner != x.Owner:
		w.t.Fatalf("%v but the row is %+v", x, r)
	case w.now >= w.lease || w.session == 0 || w.leaving:
		w.t.Fatalf("%v at %d with lease until %d, session %d, leaving %t", x, w.now, w.lease, w.session, w.leaving)
	}
	w.preps[x.Ref] = &prepared{fence: x.Fence, running: true}
}

// check holds in every state.
func (w *world) check() {
	for ref, p := range w.preps {
		if r := w.rows[ref]; !p.ended && r.To != "n1" && r.Owner != "n1" {
			w.t.Fatalf("%v is prepared, %+v, and the row is %+v", ref, p, r)
		}
	}
	for ref, fence := range w.running {
		if got, ok := w.core.Owns(ref, w.now); ok {
			if got != fence || w.now >= w.until(ref) || w.ended[ref] {
				w.t.Fatalf("owns %v with fence %d: runs with %d until %d, now %d, ended %t", ref, got, fence, w.until(ref), w.now, w.ended[ref])
			}
		}
		if _, ok := w.core.Owns(ref, w.until(ref)); ok {
			w.t.Fatalf("owns %v past its time", ref)
		}
		if w.now >= w.until(ref) && !w.ended[ref] {
			w.t.Fatalf("%v runs on past its time", ref)
		}
		if at := w.core.Until(ref); at > w.until(ref) {
			w.t.Fatalf("%v acts until %d, it may until %d", ref, at, w.until(ref))
		}
		if m, ttl := mode(ref.Namespace); m != Leased {
			fresh := w.heard[w.of[ref]] + max(int64(w.ttl)-int64(w.ttl)/8, ttl-ttl/8)
			if got := w.core.Stale(ref, w.now); got != (w.now >= fresh) {
				w.t.Fatalf("%v is stale %t at %d, it is good until %d", ref, got, w.now, fresh)
			}
		}
	}
}

func (w *world) open() {
	w.position++
	w.session = w.position
	sent := w.now - rapid.Int64Range(0, int64(w.ttl)).Draw(w.t, "since")
	w.lease = sent + int64(w.ttl) - int64(w.ttl)/8
	w.heard[w.session] = sent
	w.believed = max(w.believed, w.session)
	w.step(Opened{Session: w.session, TTL: w.ttl, SentAt: sent, Position: w.session})
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": func(*rapid.T) {},
		"time passes": func(t *rapid.T) {
			w.now += int64(rapid.SampledFrom([]time.Duration{0, time.Second, 3 * time.Second, 10 * time.Second}).Draw(t, "by"))
			w.step(Tick{})
		},
		"open": func(t *rapid.T) {
			if w.leaving || w.session != 0 && rapid.IntRange(0, 3).Draw(t, "again") != 0 {
				t.Skip("has a session")
			}
			w.open()
		},
		"answered": func(t *rapid.T) {
			sent := w.now - rapid.Int64Range(0, 2*int64(w.ttl)).Draw(t, "since")
			session := w.session
			if rapid.IntRange(0, 5).Draw(t, "old session") == 0 {
				session--
			}
			if session == w.session && session != 0 {
				w.lease = max(w.lease, sent+int64(w.ttl)-int64(w.ttl)/8)
				w.heard[session] = max(w.heard[session], sent)
			}
			w.step(Answered{Session: session, TTL: w.ttl, SentAt: sent, WantFull: rapid.Bool().Draw(t, "want full")})
		},
		"session lost": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "really") != 0 {
				t.Skip("not now")
			}
			lost := w.session
			w.session, w.lease = 0, 0
			w.step(SessionLost{Session: lost})
		},
		"row": func(*rapid.T) {
			r, p := w.row(), w.at()
			if w.believe(p) {
				w.rows[r.Ref] = r
			}
			w.step(Changed{Position: p, Row: r})
		},
		"gone": func(*rapid.T) {
			ref, p := w.ref(), w.at()
			if w.believe(p) {
				delete(w.rows, ref)
			}
			w.step(Gone{Position: p, Ref: ref})
		},
		"snapshot": func(t *rapid.T) {
			p, s := w.at(), Snapshot{}
			rows := map[Ref]Row{}
			for range rapid.IntRange(0, 3).Draw(t, "rows") {
				r := w.row()
				if _, ok := rows[r.Ref]; !ok {
					rows[r.Ref] = r
					s.Rows = append(s.Rows, r)
				}
			}
			s.Position = p
			if w.believe(p) {
				w.rows = rows
			}
			w.step(s)
		},
		"seen": func(*rapid.T) {
			w.believe(w.position)
			w.step(Seen{Position: w.position})
		},
		"callback returns": func(t *rapid.T) {
			ref := w.ref()
			fence, ok := w.running[ref]
			if !ok {
				t.Skip("does not run")
			}
			delete(w.running, ref)
			w.step(Ended{Ref: ref, Fence: fence})
		},
		"preparation returns": func(t *rapid.T) {
			ref := w.ref()
			p := w.preps[ref]
			if p == nil || !p.running {
				t.Skip("does not run")
			}
			ready := !p.ended || rapid.Bool().Draw(t, "ready")
			if p.running = false; p.ended {
				delete(w.preps, ref)
			}
			w.step(PrepareEnded{Ref: ref, Fence: p.fence, Ready: ready})
		},
		"leaving": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "really") != 0 {
				t.Skip("not now")
			}
			w.leaving = true
			w.step(Leaving{})
		},
	}
}

// TestCore is S1, S7 and L2 as far as one member can keep them: see output and
// check.
func TestCore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.open()
		t.Repeat(w.actions())
	})
}

// TestLateAnswerResumes: after any history, a lease that ended and is answered
// again resumes what it had, with the same fences.
func TestLateAnswerResumes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.open()
		t.Repeat(w.actions())
		if w.leaving || w.session == 0 || w.now >= w.lease {
			t.Skip("nothing is owned")
		}
		want := map[Ref]int64{}
		for ref, fence := range w.running {
			if _, ok := w.core.Owns(ref, w.now); ok && w.of[ref] == w.session {
				want[ref] = fence
			}
		}
		w.now = w.lease
		w.step(Tick{})
		for ref, fence := range w.running {
			if !w.ended[ref] {
				continue // it goes on for longer than the lease
			}
			delete(w.running, ref)
			w.step(Ended{Ref: ref, Fence: fence})
		}
		w.lease, w.heard[w.session] = w.now+int64(w.ttl)-int64(w.ttl)/8, w.now
		w.step(Answered{Session: w.session, TTL: w.ttl, SentAt: w.now})
		for ref, fence := range want {
			if got, ok := w.core.Owns(ref, w.now); !ok || got != fence {
				t.Fatalf("%v was owned with fence %d, now %d (%t)", ref, fence, got, ok)
			}
		}
	})
}

// TestLeavingEnds: after any history, leaving is told once nothing runs.
func TestLeavingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.open()
		t.Repeat(w.actions())
		w.leaving = true
		out := w.step(Leaving{})
		for ref, fence := range w.running {
			delete(w.running, ref)
			out = append(out, w.step(Ended{Ref: ref, Fence: fence})...)
		}
		for _, o := range out {
			if l, ok := o.(Leave); ok && l.Session == w.session {
				return
			}
		}
		t.Fatalf("did not leave: %v", out)
	})
}

// TestBatch: a batch ends where its parts end one by one.
func TestBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.open()
		var batch Batch
		single := NewCore("n1")
		opened := Opened{Session: w.session, TTL: w.ttl, SentAt: w.now, Position: w.session}
		single.Step(w.now, opened)
		whole := NewCore("n1")
		whole.Step(w.now, opened)
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			w.position++
			// Of a shard that nobody had before: what runs already depends on
			// when its callback returns.
			r := w.row()
			r.Ref = Ref{Namespace: fmt.Sprint("ns", len(batch)), Shard: 1}
			batch = append(batch, Changed{Position: w.position, Row: r})
			single.Step(w.now, batch[len(batch)-1])
		}
		whole.Step(w.now, batch)
		if diff := cmp.Diff(single.Held(), whole.Held()); diff != "" {
			t.Fatalf("a batch differs from its parts (-parts +batch):\n%s", diff)
		}
	})
}
