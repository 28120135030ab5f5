package leadership

import (
	"slices"
	"strings"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Nodes is what leadership asks the membership context.
type Nodes interface {
	// SessionIs reports whether the node's present session is this one.
	SessionIs(node string, session events.Position) bool
	// Closed is nil if the node takes something new, and otherwise the rejection
	// that says why not.
	Closed(node string) error
}

// MaxScope is the greatest length of a scope's name in bytes.
const MaxScope = 256

// Decide decides one command of this context.
func (s *State) Decide(_ commands.Meta, cmd commands.Command, nodes Nodes) ([]*eventsv1.Event, error) {
	switch c := cmd.(type) {
	case Campaign:
		return s.campaign(c, nodes)
	case Resign:
		return s.resign(c)
	case Elect:
		return s.elect(c, nodes), nil
	case GrantControl:
		return s.grantControl(c)
	}
	return nil, commands.BadField("command", "a command of leadership", "%q is none", cmd.CommandName())
}

// KindOf is the kind of a scope: global-control, shard or custom.
func KindOf(scope string) string {
	switch {
	case scope == events.GlobalScope:
		return "global-control"
	case strings.HasPrefix(scope, "shard/"):
		return "shard"
	}
	return "custom"
}

// CheckScope refuses what is no name of a scope: parts separated by "/", each
// a name; "shard" is followed by namespace and id.
func CheckScope(scope string) error {
	const allowed = "global-control, shard/<namespace>/<id>, or names separated by \"/\""
	if len(scope) > MaxScope {
		return commands.BadField("scope", "at most 256 characters", "has %d characters", len(scope))
	}
	parts := strings.Split(scope, "/")
	for _, p := range parts {
		if commands.CheckName("scope", p) != nil {
			return commands.BadField("scope", allowed, "%q is no scope", scope)
		}
	}
	if parts[0] == "shard" && len(parts) != 3 {
		return commands.BadField("scope", allowed, "%q is no scope of a shard", scope)
	}
	return nil
}

func (s *State) campaign(c Campaign, nodes Nodes) ([]*eventsv1.Event, error) {
	if err := CheckScope(c.Scope); err != nil {
		return nil, err
	}
	if c.Scope == events.GlobalScope {
		return nil, commands.Refuse("scope_reserved", "%s belongs to the servers of the control plane", c.Scope)
	}
	if err := commands.CheckLabels("labels", c.Labels); err != nil {
		return nil, err
	}
	if !nodes.SessionIs(c.NodeID, c.Session) {
		return nil, commands.Refuse("session_not_found", "node %q has no session %d now", c.NodeID, c.Session)
	}
	if err := nodes.Closed(c.NodeID); err != nil {
		return nil, err
	}
	sc, _ := s.scopes.Get(c.Scope)
	if sc.Session == c.Session {
		return nil, nil
	}
	if sc.Holder == "" && len(sc.Candidates) == 0 {
		return []*eventsv1.Event{granted(c.Scope, c.NodeID, c.Session, c.Labels)}, nil
	}
	for _, old := range sc.Candidates {
		if old.Session == c.Session && old.Priority == c.Priority {
			return nil, nil
		}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_CandidacyDeclared{CandidacyDeclared: &eventsv1.CandidacyDeclared{
		Scope: c.Scope, NodeId: c.NodeID, Session: uint64(c.Session), Priority: c.Priority, Labels: c.Labels,
	}}}}, nil
}

func granted(scope, node string, session events.Position, labels map[string]string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_LeadershipGranted{LeadershipGranted: &eventsv1.LeadershipGranted{
		Scope: scope, NodeId: node, Session: uint64(session), Labels: labels,
	}}}
}

func (s *State) resign(c Resign) ([]*eventsv1.Event, error) {
	if err := CheckScope(c.Scope); err != nil {
		return nil, err
	}
	if c.Scope == events.GlobalScope {
		return nil, commands.Refuse("scope_reserved", "%s is handed over by stopping its server", c.Scope)
	}
	sc, _ := s.scopes.Get(c.Scope)
	ours := func(node string, session events.Position) bool {
		return node == c.NodeID && (c.Session == 0 || session == c.Session)
	}
	if sc.Holder != "" && ours(sc.Holder, sc.Session) && (c.Term == 0 || c.Term == sc.Term) {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_LeadershipResigned{LeadershipResigned: &eventsv1.LeadershipResigned{
			Scope: c.Scope, NodeId: sc.Holder, Term: uint64(sc.Term),
		}}}}, nil
	}
	for _, cand := range sc.Candidates {
		if c.Term == 0 && ours(cand.NodeID, cand.Session) {
			return []*eventsv1.Event{{Kind: &eventsv1.Event_CandidacyWithdrawn{CandidacyWithdrawn: &eventsv1.CandidacyWithdrawn{
				Scope: c.Scope, NodeId: cand.NodeID, Session: uint64(cand.Session),
			}}}}, nil
		}
	}
	return nil, commands.Refuse("not_leader", "%q neither leads %s nor is a candidate for it", c.NodeID, c.Scope)
}

func (s *State) elect(c Elect, nodes Nodes) []*eventsv1.Event {
	var evs []*eventsv1.Event
	scopes := slices.Compact(slices.Sorted(slices.Values(c.Scopes))) // twice the same would be granted twice (L1)
	for _, name := range scopes {
		sc, ok := s.scopes.Get(name)
		if !ok || sc.Holder != "" {
			continue
		}
		for _, cand := range sc.Candidates {
			if nodes.SessionIs(cand.NodeID, cand.Session) && nodes.Closed(cand.NodeID) == nil {
				evs = append(evs, granted(name, cand.NodeID, cand.Session, cand.Labels))
				break
			}
		}
	}
	return evs
}

func (s *State) grantControl(c GrantControl) ([]*eventsv1.Event, error) {
	if err := commands.CheckName("server", c.Server); err != nil {
		return nil, err // a grant to nobody would end its scope
	}
	var evs []*eventsv1.Event
	if sc, ok := s.scopes.Get(events.GlobalScope); ok && sc.Holder != "" {
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_LeadershipExpired{LeadershipExpired: &eventsv1.LeadershipExpired{
			Scope: events.GlobalScope, NodeId: sc.Holder, Term: uint64(sc.Term),
		}}})
	}
	return append(evs, granted(events.GlobalScope, c.Server, 0, nil)), nil
}
