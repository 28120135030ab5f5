package shard

import (
	"slices"
	"strconv"
	"strings"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Readers are the sessions that read a shard, as text: "<node> <session>" lines
// ascending by node. Names have no blanks. Text, because shards are compared and
// kept by the million: no reader costs 16 bytes, and equal ones are equal.
type Readers string

// Each calls fn for every reader in the order of nodes.
func (rs Readers) Each(fn func(node string, session events.Position)) {
	for line := range strings.Lines(string(rs)) {
		node, session, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(session, 10, 64)
		if err == nil {
			fn(node, events.Position(n))
		}
	}
}

// Len is the number of readers.
func (rs Readers) Len() int { return strings.Count(string(rs), "\n") }

// Nodes are the nodes that read, ascending.
func (rs Readers) Nodes() []string {
	var nodes []string
	rs.Each(func(node string, _ events.Position) { nodes = append(nodes, node) })
	return nodes
}

// Session is the session by which a node reads; 0 when it does not.
func (rs Readers) Session(node string) events.Position {
	for line := range strings.Lines(string(rs)) { // of all shards, when a session ends: only what is found is parsed
		if session, found := strings.CutPrefix(line, node+" "); found {
			n, _ := strconv.ParseUint(strings.TrimSuffix(session, "\n"), 10, 64)
			return events.Position(n)
		}
	}
	return 0
}

// Without are the readers but for a node.
func (rs Readers) Without(node string) Readers {
	if rs.Session(node) == 0 {
		return rs
	}
	var b strings.Builder
	for line := range strings.Lines(string(rs)) {
		if !strings.HasPrefix(line, node+" ") {
			b.WriteString(line)
		}
	}
	return Readers(b.String())
}

// With are the readers and a node, by its new session if it is one already.
func (rs Readers) With(node string, session events.Position) Readers {
	lines := slices.Collect(strings.Lines(string(rs.Without(node))))
	lines = append(lines, node+" "+strconv.FormatUint(uint64(session), 10)+"\n")
	slices.SortFunc(lines, func(a, b string) int {
		left, _, _ := strings.Cut(a, " ")
		right, _, _ := strings.Cut(b, " ")
		return strings.Compare(left, right)
	})
	return Readers(strings.Join(lines, ""))
}

// read makes a node a reader, unless it owns the shard.
func (sh *Shard) read(node string, session events.Position) {
	if sh.Owner != node && session != 0 {
		sh.Readers = sh.Readers.With(node, session)
	}
}

// decidePlaceReaders looks at all releases before the assignments, which count
// on them.
func (s *State) decidePlaceReaders(c PlaceReaders, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	p := &readerPlacer{ns: ns, now: map[uint32]Readers{}}
	b := newBinder(ns, nodes)
	cause := eventsv1.ShardCause_SHARD_CAUSE_BALANCE
	var released, assigned []*eventsv1.ShardAssignment
	for _, t := range c.Release {
		if nodes.Assignable(t.NodeID, ns.Spec.EligibleRole) != nil {
			cause = eventsv1.ShardCause_SHARD_CAUSE_DRAIN
		}
		ids, err := ns.selection(t.Shards, p.release(t))
		if err != nil {
			return nil, err
		}
		released = append(released, part(t, ids))
	}
	for _, t := range c.Assign {
		if err := b.assignable(t.NodeID, t.Session); err != nil {
			return nil, err
		}
		ids, err := ns.selection(t.Shards, p.assign(t))
		if err != nil {
			return nil, err
		}
		assigned = append(assigned, part(t, ids))
	}
	if p.count > events.MaxAssigned {
		return nil, tooLarge("shards", p.count)
	}
	return readerEvents(ns.Name, released, assigned, cause), nil
}

func readerEvents(ns string, released, assigned []*eventsv1.ShardAssignment, cause eventsv1.ShardCause) (evs []*eventsv1.Event) {
	if len(released) > 0 {
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ReadersReleased{ReadersReleased: &eventsv1.ReadersReleased{
			Namespace: ns, Releases: released, Cause: cause,
		}}})
	}
	if len(assigned) > 0 {
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ReadersAssigned{ReadersAssigned: &eventsv1.ReadersAssigned{
			Namespace: ns, Assignments: assigned, Cause: eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT,
		}}})
	}
	return evs
}

func part(t Target, ids []uint32) *eventsv1.ShardAssignment {
	return &eventsv1.ShardAssignment{NodeId: t.NodeID, Session: uint64(t.Session), Shards: events.PackShards(ids)}
}

// readerPlacer is a decision in the making.
type readerPlacer struct {
	ns    *Namespace
	now   map[uint32]Readers // of the shards that it has touched
	count int
}

func (p *readerPlacer) readers(id uint32) Readers {
	if rs, touched := p.now[id]; touched {
		return rs
	}
	return p.ns.Shard(id).Readers
}

func (p *readerPlacer) release(t Target) func(uint32, *Shard) error {
	return func(id uint32, _ *Shard) error {
		rs := p.readers(id)
		if t.Session == 0 || rs.Session(t.NodeID) != t.Session {
			return refuseShard(p.ns, id, "not_reader", "is not read by session %d of %s", t.Session, t.NodeID)
		}
		p.now[id] = rs.Without(t.NodeID)
		p.count++
		return nil
	}
}

func (p *readerPlacer) assign(t Target) func(uint32, *Shard) error {
	return func(id uint32, sh *Shard) error {
		rs := p.readers(id)
		switch {
		case sh.Owner == t.NodeID:
			return refuseShard(p.ns, id, "already_owner", "is owned by %s", sh.Owner)
		case sh.Paused:
			return refuseShard(p.ns, id, "shard_paused", "is paused")
		case sh.Quarantined():
			return quarantinedError(p.ns, id, sh)
		case rs.Session(t.NodeID) != 0:
			return refuseShard(p.ns, id, "already_reader", "is read by %s", t.NodeID)
		case rs.Len() >= int(p.ns.Spec.Readers):
			return refuseShard(p.ns, id, "too_many_readers", "has %d readers, as many as its namespace gives", rs.Len())
		}
		p.now[id] = rs.With(t.NodeID, t.Session)
		p.count++
		return nil
	}
}

// checkPlacement refuses rules, readers and a load bound that are out of bounds.
func (sp Spec) checkPlacement() error {
	if sp.Readers > maxReaders {
		return commands.BadField("readers", "0 to 8", "is %d", sp.Readers)
	}
	if sp.LoadBound != 0 && (sp.Strategy != "ring" && sp.Strategy != "rendezvous") {
		return commands.BadField("loadBound", "0 with strategy "+sp.Strategy+"; ring and rendezvous have one", "is %v", float64(sp.LoadBound)/1000)
	}
	return sp.checkRules()
}
