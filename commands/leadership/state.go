package leadership

import (
	"slices"

	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Scope is what is led. Candidates are in the order in which they would be
// granted, and never written to once the scope is part of a state.
type Scope struct {
	Name string `cbor:"1,keyasint"`
	// Holder is empty while the scope is vacant.
	Holder  string          `cbor:"2,keyasint,omitempty"`
	Session events.Position `cbor:"3,keyasint,omitempty"`
	// Term is the position of the present grant.
	Term       events.Position `cbor:"4,keyasint,omitempty"`
	Candidates []Candidate     `cbor:"5,keyasint,omitempty"`
}

// Candidate waits for a scope to become vacant.
type Candidate struct {
	NodeID     string            `cbor:"1,keyasint"`
	Session    events.Position   `cbor:"2,keyasint"`
	Priority   int32             `cbor:"3,keyasint,omitempty"`
	DeclaredAt events.Position   `cbor:"4,keyasint"`
	Labels     map[string]string `cbor:"5,keyasint,omitempty"`
}

// State holds the scopes that are led or wanted. The zero State has none. It
// has one owner.
type State struct {
	scopes btree.Map[string, Scope]
}

// Clone returns an independent state that shares what neither changes.
func (s *State) Clone() *State { return &State{scopes: *s.scopes.Copy()} }

// Scope returns a scope that is led or wanted.
func (s *State) Scope(name string) (Scope, bool) { return s.scopes.Get(name) }

// EachScope calls fn for every scope in the order of names, until it returns
// false.
func (s *State) EachScope(fn func(Scope) bool) {
	s.scopes.Scan(func(_ string, sc Scope) bool { return fn(sc) })
}

// Image is the whole state in the order of names, for snapshots.
func (s *State) Image() []Scope { return s.scopes.Values() }

// FromImage is the state that had this image.
func FromImage(image []Scope) *State {
	s := &State{}
	for _, sc := range image {
		s.scopes.Set(sc.Name, sc)
	}
	return s
}

// Evolve applies a recorded event; those of other contexts change nothing, but
// for SessionClosed, which ends what the session held.
func (s *State) Evolve(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_CandidacyDeclared:
		s.declare(r.Position, e.CandidacyDeclared)
	case *eventsv1.Event_CandidacyWithdrawn:
		s.change(e.CandidacyWithdrawn.Scope, func(sc *Scope) {
			sc.dropCandidate(events.Position(e.CandidacyWithdrawn.Session))
		})
	case *eventsv1.Event_LeadershipGranted:
		g := e.LeadershipGranted
		s.change(g.Scope, func(sc *Scope) {
			sc.Holder, sc.Session, sc.Term = g.NodeId, events.Position(g.Session), r.Position
			sc.dropCandidate(sc.Session)
		})
	case *eventsv1.Event_LeadershipResigned:
		s.change(e.LeadershipResigned.Scope, (*Scope).vacate)
	case *eventsv1.Event_LeadershipExpired:
		s.change(e.LeadershipExpired.Scope, (*Scope).vacate)
	case *eventsv1.Event_SessionClosed:
		s.endSession(events.Position(e.SessionClosed.Session))
	}
}

func (s *State) declare(at events.Position, d *eventsv1.CandidacyDeclared) {
	s.change(d.Scope, func(sc *Scope) {
		sc.dropCandidate(events.Position(d.Session))
		c := Candidate{NodeID: d.NodeId, Session: events.Position(d.Session), Priority: d.Priority, DeclaredAt: at, Labels: d.Labels}
		i, _ := slices.BinarySearchFunc(sc.Candidates, c, preferred)
		sc.Candidates = slices.Insert(slices.Clip(slices.Clone(sc.Candidates)), i, c)
	})
}

// preferred orders candidates: higher priority first, then the earlier.
func preferred(a, b Candidate) int {
	if a.Priority != b.Priority {
		return int(b.Priority) - int(a.Priority)
	}
	return int(a.DeclaredAt) - int(b.DeclaredAt)
}

func (sc *Scope) vacate() { sc.Holder, sc.Session, sc.Term = "", 0, 0 }

func (sc *Scope) dropCandidate(session events.Position) {
	is := func(c Candidate) bool { return c.Session == session }
	if slices.ContainsFunc(sc.Candidates, is) {
		sc.Candidates = slices.DeleteFunc(slices.Clone(sc.Candidates), is)
	}
}

// change applies fn to a copy of a scope; one that is neither led nor wanted
// is forgotten.
func (s *State) change(name string, fn func(*Scope)) {
	sc, _ := s.scopes.Get(name)
	sc.Name = name
	fn(&sc)
	if sc.Holder == "" && len(sc.Candidates) == 0 {
		s.scopes.Delete(name)
		return
	}
	s.scopes.Set(name, sc)
}

func (s *State) endSession(session events.Position) {
	var touched []string
	s.scopes.Scan(func(name string, sc Scope) bool {
		if sc.Session == session || slices.ContainsFunc(sc.Candidates, func(c Candidate) bool { return c.Session == session }) {
			touched = append(touched, name)
		}
		return true
	})
	for _, name := range touched {
		s.change(name, func(sc *Scope) {
			if sc.Session == session {
				sc.vacate()
			}
			sc.dropCandidate(session)
		})
	}
}
