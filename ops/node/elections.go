package node

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// maxScopes bounds the scopes whose holder or vacancy is remembered; an election
// of one beyond is not measured.
const maxScopes = 10_000

// elections measures, by log times, how long scopes went without a leader, and
// looks for two at once. It is a listener of the projections, and belongs to
// their goroutine.
//
// It knows what it heard: a scope whose leader was granted before this run is
// met at its next event. The control scope is left out of the durations: nobody
// logs that a control leader is gone before the next one has come.
type elections struct {
	duration   prometheus.Histogram
	splitBrain prometheus.Counter
	scopes     map[string]*tenure
	// held are the scopes of a session.
	held  map[uint64]map[string]bool
	since int64 // Unix nanoseconds: what was stored before was measured before
	// heard is the last event: a rebuild tells of old ones again.
	heard events.Position
}

// tenure is what is known of a scope.
type tenure struct {
	holder  string
	session uint64
	// vacant is since when nobody leads, Unix nanoseconds; 0 when somebody does, or
	// when nobody ever did.
	vacant int64
	// declared are those who asked since, with the time.
	declared map[uint64]int64
}

func newElections(reg prometheus.Registerer, since int64) *elections {
	e := &elections{
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mesh_leadership_election_duration_ms",
			Help:    "Time from a scope's vacancy, or from the later candidacy of who got it, to its grant, in milliseconds.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 16)}),
		splitBrain: prometheus.NewCounter(prometheus.CounterOpts{Name: "mesh_leadership_split_brain_total",
			Help: "Grants of a scope that another held: 0 unless L1 is broken."}),
		scopes: map[string]*tenure{}, held: map[uint64]map[string]bool{}, since: since,
	}
	reg.MustRegister(e.duration, e.splitBrain)
	return e
}

// Wants implements projections.Listener.
func (*elections) Wants() bool { return true }

// Committed implements projections.Listener. A commit without its decisions may
// have ended any tenure: all is forgotten.
func (e *elections) Committed(c *projections.Commit) {
	if c.Decisions == nil {
		clear(e.scopes)
		clear(e.held)
		return
	}
	for _, d := range c.Decisions {
		for _, r := range d.Events {
			if r.Position > e.heard {
				e.heard = r.Position
				e.hear(r)
			}
		}
	}
}

func (e *elections) hear(r events.Recorded) {
	switch k := r.Event.GetKind().(type) {
	case *eventsv1.Event_CandidacyDeclared:
		if t := e.scopes[k.CandidacyDeclared.GetScope()]; t != nil && t.vacant != 0 && len(t.declared) < maxScopes {
			t.declared[k.CandidacyDeclared.GetSession()] = r.Time
		}
	case *eventsv1.Event_LeadershipGranted:
		e.granted(r.Time, k.LeadershipGranted)
	case *eventsv1.Event_LeadershipResigned:
		e.vacate(r.Time, k.LeadershipResigned.GetScope())
	case *eventsv1.Event_LeadershipExpired:
		e.vacate(r.Time, k.LeadershipExpired.GetScope())
	case *eventsv1.Event_SessionClosed:
		for scope := range e.held[k.SessionClosed.GetSession()] {
			e.vacate(r.Time, scope)
		}
	}
}

func (e *elections) granted(at int64, g *eventsv1.LeadershipGranted) {
	t := e.tenure(g.GetScope())
	if t == nil {
		return
	}
	if t.holder != "" {
		e.splitBrain.Inc()
		e.release(g.GetScope(), t)
	}
	if t.vacant != 0 && t.vacant >= e.since && g.GetScope() != events.GlobalScope {
		from := max(t.vacant, t.declared[g.GetSession()])
		e.duration.Observe(float64(at-from) / 1e6)
	}
	t.holder, t.session, t.vacant, t.declared = g.GetNodeId(), g.GetSession(), 0, nil
	if t.session != 0 {
		if e.held[t.session] == nil {
			e.held[t.session] = map[string]bool{}
		}
		e.held[t.session][g.GetScope()] = true
	}
}

// tenure returns what is known of a scope, nil when there are too many. Those
// that nobody leads make room first.
func (e *elections) tenure(scope string) *tenure {
	t := e.scopes[scope]
	if t == nil && len(e.scopes) >= maxScopes {
		maps.DeleteFunc(e.scopes, func(_ string, t *tenure) bool { return t.holder == "" })
	}
	if t == nil && len(e.scopes) < maxScopes {
		t = &tenure{}
		e.scopes[scope] = t
	}
	return t
}

// vacate ends a tenure, also one whose beginning was not heard of.
func (e *elections) vacate(at int64, scope string) {
	t := e.tenure(scope)
	if t == nil {
		return
	}
	e.release(scope, t)
	t.vacant, t.declared = at, map[uint64]int64{}
}

func (e *elections) release(scope string, t *tenure) {
	if held := e.held[t.session]; held != nil {
		if delete(held, scope); len(held) == 0 {
			delete(e.held, t.session)
		}
	}
	t.holder, t.session = "", 0
}

// newSessions is a gauge of the sessions that the newest view has open.
func newSessions(view func() sequencer.View) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mesh_sessions", Help: "Sessions of nodes that are open."},
		func() float64 {
			n := 0
			view().Model.Membership.EachNode(func(node membership.Node) bool {
				if node.Session != 0 {
					n++
				}
				return true
			})
			return float64(n)
		})
}
