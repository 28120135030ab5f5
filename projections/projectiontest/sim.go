package projectiontest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Sim draws plausible decisions. It keeps the least that makes them so.
type Sim struct {
	// Draw returns a number in [0, n).
	Draw func(n int) int
	// MaxShards bounds a namespace; at least 1.
	MaxShards int

	next       uint64
	nodes      map[string]*simNode
	namespaces map[string]*simNamespace
	holders    map[string]string // scope → node
	servers    map[string]bool   // whether they are lost
	schedules  map[string]bool   // whether they are paused
}

type simNode struct {
	session  uint64
	cordoned bool
	closing  bool
	drain    int // where in its drain it is
}

type simNamespace struct {
	deleting  bool
	strategy  string
	ownership eventsv1.Ownership
	ttlMs     uint32
	overlap   bool
	shards    []simShard
}

type simShard struct {
	owner   string
	session uint64
	moveTo  string
	forced  bool
	paused  bool
	silent  bool
	out     bool // quarantined
}

// NewSim returns a simulation of an empty mesh.
func NewSim(draw func(n int) int, maxShards int) *Sim {
	return &Sim{
		Draw: draw, MaxShards: maxShards,
		nodes: map[string]*simNode{}, namespaces: map[string]*simNamespace{}, holders: map[string]string{}, servers: map[string]bool{}, schedules: map[string]bool{},
	}
}

// Frame appends a frame of one to four decisions to a log.
func (s *Sim) Frame(tb TB, l *Log) {
	tb.Helper()
	s.next = uint64(l.Next())
	var ds []*eventsv1.Decision
	for range 1 + s.Draw(4) {
		es := s.step()
		s.next += uint64(len(es))
		ds = append(ds, Decide([]string{"user/ann", "user/bob", "node/s1"}[s.Draw(3)], es...))
	}
	l.Append(tb, ds...)
}

// step draws until an action has something to do; joining always has.
func (s *Sim) step() []*eventsv1.Event {
	actions := []func() []*eventsv1.Event{
		s.join, s.createNamespace, s.assign, s.assign, s.move, s.askRelease, s.finishMove, s.endMove, s.pause, s.read,
		s.expire, s.restart, s.leave, s.closing, s.goesOn, s.cordon, s.drain, s.maintenance, s.server, s.campaign, s.resign, s.updateNamespace, s.deleteNamespace, s.policy,
		s.quarantine, s.schedule,
	}
	for range 8 {
		if es := actions[s.Draw(len(actions))](); len(es) > 0 {
			return es
		}
	}
	return s.join()
}

func pick[K cmp.Ordered, V any](s *Sim, m map[K]V, ok func(K, V) bool) (key K, found bool) {
	var keys []K
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if ok(k, m[k]) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return key, false
	}
	return keys[s.Draw(len(keys))], true
}

func (s *Sim) live() (string, bool) {
	return pick(s, s.nodes, func(_ string, n *simNode) bool { return n.session != 0 })
}

func (s *Sim) join() []*eventsv1.Event {
	id := fmt.Sprintf("n%d", s.Draw(6))
	d := &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Region: "r", Weight: 1, Labels: map[string]string{"a": "1", "b": fmt.Sprint(s.Draw(3))}}
	if n := s.nodes[id]; n != nil && n.session != 0 {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeUpdated{NodeUpdated: &eventsv1.NodeUpdated{Node: d}}}}
	}
	s.nodes[id] = &simNode{session: s.next + 1}
	return []*eventsv1.Event{
		{Kind: &eventsv1.Event_NodeJoined{NodeJoined: &eventsv1.NodeJoined{Node: d}}},
		opened(id),
	}
}

func opened(id string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_SessionOpened{SessionOpened: &eventsv1.SessionOpened{NodeId: id, TtlMs: 5000}}}
}

func (s *Sim) closed(id string, cause eventsv1.SessionCloseCause) *eventsv1.Event {
	session := s.nodes[id].session
	s.nodes[id].session, s.nodes[id].closing = 0, false
	for _, ns := range s.namespaces {
		for i := range ns.shards {
			if sh := &ns.shards[i]; sh.owner == id && sh.session == session {
				ns.sessionEnds(sh, cause)
			}
		}
	}
	maps.DeleteFunc(s.holders, func(_, holder string) bool { return holder == id })
	return &eventsv1.Event{Kind: &eventsv1.Event_SessionClosed{SessionClosed: &eventsv1.SessionClosed{NodeId: id, Session: session, Cause: cause}}}
}

func (s *Sim) expire() []*eventsv1.Event {
	id, ok := s.live()
	if !ok {
		return nil
	}
	if s.nodes[id].closing {
		return []*eventsv1.Event{s.closed(id, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED)}
	}
	return []*eventsv1.Event{s.closed(id, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED)}
}

func (s *Sim) restart() []*eventsv1.Event {
	id, ok := s.live()
	if !ok {
		return nil
	}
	e := s.closed(id, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED)
	s.nodes[id].session = s.next + 1
	return []*eventsv1.Event{e, opened(id)}
}

func (s *Sim) leave() []*eventsv1.Event {
	id, ok := s.live()
	if !ok {
		return nil
	}
	return []*eventsv1.Event{
		s.closed(id, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT),
		{Kind: &eventsv1.Event_NodeLeft{NodeLeft: &eventsv1.NodeLeft{NodeId: id}}},
	}
}

func (s *Sim) cordon() []*eventsv1.Event {
	id, ok := s.live()
	if !ok {
		return nil
	}
	n := s.nodes[id]
	if n.cordoned = !n.cordoned; n.cordoned {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: id}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeUncordoned{NodeUncordoned: &eventsv1.NodeUncordoned{NodeId: id}}}}
}

// drain steps a node through its drain.
func (s *Sim) drain() []*eventsv1.Event {
	id, ok := s.live()
	if !ok {
		return nil
	}
	n := s.nodes[id]
	n.cordoned = false
	switch n.drain = (n.drain + 1 + s.Draw(2)) % 5; n.drain {
	case 1:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeDrainStarted{NodeDrainStarted: &eventsv1.NodeDrainStarted{NodeId: id, DeadlineMs: 1, Window: []string{"", "w0"}[s.Draw(2)]}}}}
	case 2:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeDrainStalled{NodeDrainStalled: &eventsv1.NodeDrainStalled{NodeId: id}}}}
	case 3:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeDrained{NodeDrained: &eventsv1.NodeDrained{NodeId: id}}}}
	case 4:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeDrainCancelled{NodeDrainCancelled: &eventsv1.NodeDrainCancelled{NodeId: id}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeUncordoned{NodeUncordoned: &eventsv1.NodeUncordoned{NodeId: id}}}}
}

// maintenance sets or removes a window.
func (s *Sim) maintenance() []*eventsv1.Event {
	name := fmt.Sprintf("w%d", s.Draw(3))
	if s.Draw(3) == 0 {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_PolicyRemoved{PolicyRemoved: &eventsv1.PolicyRemoved{Kind: "maintenance", Name: name, Version: s.next}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{
		Kind: "maintenance", Name: name, Version: s.next, Spec: &eventsv1.PolicySet_Maintenance{Maintenance: &eventsv1.MaintenancePolicy{
			NodeIds: []string{"n0", "n1"}, StartMs: int64(s.Draw(9)), EndMs: 10, Impact: eventsv1.MaintenanceImpact(1 + s.Draw(3)),
		}},
	}}}}
}

// server joins a server, or loses and returns it in turn.
func (s *Sim) server() []*eventsv1.Event {
	id := fmt.Sprintf("s%d", s.Draw(3))
	lost, known := s.servers[id]
	s.servers[id] = known && !lost
	switch {
	case !known:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeJoined{NodeJoined: &eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "server", Weight: 1}}}}}
	case lost:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ServerReturned{ServerReturned: &eventsv1.ServerReturned{NodeId: id}}}}
	}
	cause := eventsv1.ServerLossCause(1 + s.Draw(2))
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ServerLost{ServerLost: &eventsv1.ServerLost{NodeId: id, Cause: cause}}}}
}

func (s *Sim) campaign() []*eventsv1.Event {
	id, ok := s.live()
	if !ok {
		return nil
	}
	scope := fmt.Sprintf("app/%d", s.Draw(3))
	session := s.nodes[id].session
	if s.holders[scope] != "" {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_CandidacyDeclared{CandidacyDeclared: &eventsv1.CandidacyDeclared{Scope: scope, NodeId: id, Session: session}}}}
	}
	s.holders[scope] = id
	return []*eventsv1.Event{{Kind: &eventsv1.Event_LeadershipGranted{LeadershipGranted: &eventsv1.LeadershipGranted{Scope: scope, NodeId: id, Session: session}}}}
}

func (s *Sim) resign() []*eventsv1.Event {
	scope, ok := pick(s, s.holders, func(string, string) bool { return true })
	if !ok {
		return nil
	}
	id := s.holders[scope]
	delete(s.holders, scope)
	return []*eventsv1.Event{{Kind: &eventsv1.Event_LeadershipResigned{LeadershipResigned: &eventsv1.LeadershipResigned{Scope: scope, NodeId: id}}}}
}

func (s *Sim) policy() []*eventsv1.Event { return []*eventsv1.Event{Policy(s.next)} }

// Policy is a fact about nothing that most tables keep.
func Policy(version uint64) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{
		Kind: "session", Name: "default", Version: version, Spec: &eventsv1.PolicySet_Session{Session: &eventsv1.SessionPolicy{TtlMs: 5000}},
	}}}
}
