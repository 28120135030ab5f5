package election_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/election"
)

// led is the view of a log on which a server leads.
func led(t *testing.T, server string) (v sequencer.View, term uint64) {
	t.Helper()
	v.Model = model.New()
	commandtest.New(t, v.Model).Given(
		&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 2000}, &eventsv1.SessionOpened{NodeId: "n2", TtlMs: 2000},
		&eventsv1.LeadershipGranted{Scope: events.GlobalScope, NodeId: server})
	scope, _ := v.Model.Leadership.Scope(events.GlobalScope)
	return v, uint64(scope.Term)
}

// TestRosterHears: whom a server takes for the leader, after beats that come late
// or from the past.
func TestRosterHears(t *testing.T) {
	view, term := led(t, "s2")
	beat := func(server string, term uint64) election.Beat {
		return election.Beat{Server: server, Leading: true, Term: term, Eligible: true}
	}
	now := int64(time.Hour)
	for _, c := range []struct {
		name  string
		hear  []election.Beat
		after time.Duration
		known bool
	}{
		{"nobody", nil, 0, false},
		{"the leader", []election.Beat{beat("s2", term)}, 0, true},
		{"the leader, long ago", []election.Beat{beat("s2", term)}, election.MissAfter, false},
		{"a former leader", []election.Beat{beat("s3", term-1)}, 0, false},
		{"the leader, and then a former one", []election.Beat{beat("s2", term), beat("s3", term-1)}, 0, true},
		{"the leader, which has lost its authority", []election.Beat{{Server: "s2", Term: term}}, 0, false},
		{"a later leader, which the log does not show", []election.Beat{beat("s2", term), beat("s3", term+5)}, 0, false},
	} {
		r := election.NewRoster()
		for _, b := range c.hear {
			r.Hear(b, now)
		}
		name, known := r.Leader("s1", sequencer.Status{}, view, now+int64(c.after))
		if name != "s2" || known != c.known {
			t.Errorf("%s: %q, known %t, want %t", c.name, name, known, c.known)
		}
	}
}

// TestRosterSuccessor: who has stopped, is not ready, not reached or not heard
// lately is no successor; of the others who has come furthest is.
func TestRosterSuccessor(t *testing.T) {
	now := int64(time.Hour)
	r := election.NewRoster()
	r.Hear(election.Beat{Server: "s2", Eligible: true, Position: 9}, now)
	r.Hear(election.Beat{Server: "s3", Eligible: true, Position: 7}, now)
	r.Hear(election.Beat{Server: "s4", Eligible: true, Position: 10, Waiting: []string{"the projection"}}, now)
	r.Hear(election.Beat{Server: "s5", Position: 10}, now)
	r.Hear(election.Beat{Server: "s6", Eligible: true, Position: 10}, now-int64(election.FreshFor)-1)
	r.Hear(election.Beat{Server: "s7", Eligible: true, Position: 10, Leaving: true}, now)
	if s, ok := r.Successor(now, func(string) bool { return true }); s != "s2" || !ok {
		t.Errorf("%q, %t", s, ok)
	}
	if s, ok := r.Successor(now, func(s string) bool { return s != "s2" }); s != "s3" || !ok {
		t.Errorf("s2 is not reached: %q, %t", s, ok)
	}
	if s, ok := r.Successor(now, func(string) bool { return false }); ok {
		t.Errorf("nobody is reached: %q", s)
	}
}

// TestBeatWire: a beat comes as it was sent; what is none is refused.
func TestBeatWire(t *testing.T) {
	b := election.Beat{Server: "s1", Leading: true, Term: 5, Retiring: true, Successor: "s2", Position: 7, Hash: [32]byte{1}}
	if got, err := election.DecodeBeat(b.Encode()); err != nil || got.News(b) || got.Server != b.Server || got.Hash != b.Hash {
		t.Errorf("%+v, %v", got, err)
	}
	for _, data := range [][]byte{nil, {0xa0}, b.Encode()[:9]} {
		if got, err := election.DecodeBeat(data); err == nil {
			t.Errorf("%x was taken for %+v", data, got)
		}
	}
}
