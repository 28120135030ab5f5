package node

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// story tells elections of events, one decision each.
type story struct {
	t         *testing.T
	elections *elections
	reg       *prometheus.Registry
	began     time.Time
	position  events.Position
}

func newStory(t *testing.T) *story {
	s := &story{t: t, reg: prometheus.NewRegistry(), began: time.Now()}
	s.elections = newElections(s.reg, s.began.UnixNano())
	return s
}

// at tells of an event some milliseconds after the beginning.
func (s *story) at(ms int, e *eventsv1.Event) {
	s.position++
	s.elections.Committed(&projections.Commit{Decisions: []*projections.Decision{{Events: []events.Recorded{{
		Position: s.position, Decision: s.position, Time: s.began.Add(time.Duration(ms) * time.Millisecond).UnixNano(), Event: e,
	}}}}})
}

// want checks what was measured: how many elections, their sum, and grants of
// what another held.
func (s *story) want(count uint64, sum, split float64) {
	s.t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		switch m := f.GetMetric()[0]; f.GetName() {
		case "mesh_leadership_election_duration_ms":
			if h := m.GetHistogram(); h.GetSampleCount() != count || h.GetSampleSum() != sum {
				s.t.Errorf("%d elections of %v ms, want %d of %v", h.GetSampleCount(), h.GetSampleSum(), count, sum)
			}
		case "mesh_leadership_split_brain_total":
			if got := m.GetCounter().GetValue(); got != split {
				s.t.Errorf("split brain %v, want %v", got, split)
			}
		default:
			s.t.Errorf("%s is not expected", f.GetName())
		}
	}
}

func grantOf(scope, node string, session uint64) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_LeadershipGranted{LeadershipGranted: &eventsv1.LeadershipGranted{Scope: scope, NodeId: node, Session: session}}}
}

func asks(scope, node string, session uint64) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_CandidacyDeclared{CandidacyDeclared: &eventsv1.CandidacyDeclared{Scope: scope, NodeId: node, Session: session}}}
}

func resigns(scope, node string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_LeadershipResigned{LeadershipResigned: &eventsv1.LeadershipResigned{Scope: scope, NodeId: node}}}
}

func closes(node string, session uint64) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_SessionClosed{SessionClosed: &eventsv1.SessionClosed{NodeId: node, Session: session}}}
}

// A scope is vacant from the end of its leader, however it ended, to its grant.
func TestElectionsAreMeasured(t *testing.T) {
	s := newStory(t)
	s.at(0, asks("job", "a", 1))
	s.at(0, grantOf("job", "a", 1)) // the first: nobody had left it
	s.at(1, asks("job", "b", 2))
	s.want(0, 0, 0)
	s.at(100, closes("a", 1))
	s.at(130, grantOf("job", "b", 2))
	s.want(1, 30, 0)
	s.at(200, resigns("job", "b"))
	s.at(9000, asks("job", "c", 3)) // nobody stood before
	s.at(9005, grantOf("job", "c", 3))
	s.want(2, 35, 0)
	s.at(9100, closes("b", 2)) // leads nothing any more
	s.at(9200, resigns("early", "z"))
	s.at(9210, grantOf("early", "c", 3)) // its leader was granted before this run
	s.want(3, 45, 0)
}

// The control scope passes without a measured vacancy.
func TestControlIsNoElection(t *testing.T) {
	s := newStory(t)
	s.at(0, grantOf(events.GlobalScope, "s1", 0))
	s.at(9, &eventsv1.Event{Kind: &eventsv1.Event_LeadershipExpired{LeadershipExpired: &eventsv1.LeadershipExpired{Scope: events.GlobalScope, NodeId: "s1"}}})
	s.at(9, grantOf(events.GlobalScope, "s2", 0))
	s.want(0, 0, 0)
}

// A grant of what another holds is seen; an old event that is told again is not.
func TestSplitBrainIsSeen(t *testing.T) {
	s := newStory(t)
	s.at(0, grantOf("job", "a", 1))
	s.at(1, grantOf("job", "b", 2))
	s.want(0, 0, 1)
	s.position = 0 // a rebuild
	s.at(0, grantOf("job", "a", 1))
	s.want(0, 0, 1)
	s.position = 10
	s.elections.Committed(&projections.Commit{}) // far behind: who leads is not known
	s.at(2, grantOf("job", "c", 3))
	s.want(0, 0, 1)
}

// Scopes without end are forgotten, the vacant first.
func TestScopesAreBounded(t *testing.T) {
	s := newStory(t)
	for i := range maxScopes + 10 {
		name := time.Duration(i).String()
		s.at(i, grantOf(name, "a", uint64(i+1)))
		s.at(i, resigns(name, "a"))
	}
	if n := len(s.elections.scopes); n > maxScopes || n == 0 || len(s.elections.held) != 0 {
		t.Errorf("%d scopes and %d sessions are remembered", n, len(s.elections.held))
	}
}
