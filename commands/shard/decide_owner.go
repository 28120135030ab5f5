package shard

import (
	"maps"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func (s *State) decideAssign(c Assign, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	b := newBinder(ns, nodes)
	for _, t := range c.Targets {
		if err := b.bind(t, func(id uint32, sh *Shard) error {
			switch {
			case sh.Owner != "":
				return refuseShard(ns, id, "shard_owned", "is owned by %s", sh.Owner)
			case sh.Paused:
				return refuseShard(ns, id, "shard_paused", "is paused")
			case sh.Quarantined():
				return quarantinedError(ns, id, sh)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return b.events(eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT)
}

// binder collects the assignments of one decision, each shard once.
type binder struct {
	ns    *Namespace
	nodes Nodes
	taken map[uint32]bool
	out   []*eventsv1.ShardAssignment
}

func newBinder(ns *Namespace, nodes Nodes) *binder {
	return &binder{ns: ns, nodes: nodes, taken: map[uint32]bool{}}
}

// assignable is nil if the node's session may be given shards (S3).
func (b *binder) assignable(node string, session events.Position) error {
	if err := b.nodes.Assignable(node, b.ns.Spec.EligibleRole); err != nil {
		return err
	}
	if b.nodes.Session(node) != session || session == 0 {
		return commands.Refuse("session_not_found", "node %q has no session %d now", node, session)
	}
	return nil
}

func (b *binder) bind(t Target, check func(uint32, *Shard) error) error {
	if err := b.assignable(t.NodeID, t.Session); err != nil {
		return err
	}
	ids, err := b.ns.selection(t.Shards, func(id uint32, sh *Shard) error {
		if b.taken[id] {
			return refuseShard(b.ns, id, "shard_owned", "is named twice")
		}
		return check(id, sh)
	})
	if err != nil {
		return err
	}
	b.add(t.NodeID, t.Session, ids)
	return nil
}

func (b *binder) add(node string, session events.Position, ids []uint32) {
	for _, id := range ids {
		b.taken[id] = true
	}
	b.out = append(b.out, &eventsv1.ShardAssignment{NodeId: node, Session: uint64(session), Shards: events.PackShards(ids)})
}

func (b *binder) events(cause eventsv1.ShardCause) ([]*eventsv1.Event, error) {
	if len(b.taken) > events.MaxAssigned {
		return nil, tooLarge("targets", len(b.taken))
	}
	if len(b.out) == 0 {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
		Namespace: b.ns.Name, Assignments: b.out, Cause: cause,
	}}}}, nil
}

// decideMove asks the target to prepare, and assigns unowned shards at once. The
// hold reaches an unowned shard by a move that ends in the same decision.
func (s *State) decideMove(meta commands.Meta, c Move, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	if err := commands.CheckName("toNodeId", c.To); err != nil {
		return nil, err
	}
	if err := nodes.Assignable(c.To, ns.Spec.EligibleRole); err != nil {
		return nil, err
	}
	if c.Force {
		return s.decideForcedMove(meta, ns, c, nodes)
	}
	var unowned []uint32
	from := map[string][]uint32{}
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		switch {
		case sh.Paused:
			return refuseShard(ns, id, "shard_paused", "is paused")
		case sh.Quarantined():
			return quarantinedError(ns, id, sh)
		case sh.Moving():
			return refuseShard(ns, id, "shard_moving", "is moving to %s", sh.MoveTo)
		case sh.Owner == c.To:
			return refuseShard(ns, id, "already_owner", "is owned by %s", sh.Owner)
		case sh.Silent:
			return refuseSilent(ns, id, sh)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		owner := ns.Shard(id).Owner
		if owner == "" {
			unowned = append(unowned, id)
		}
		from[owner] = append(from[owner], id)
	}
	started := moveStarted(meta, ns.Name, c.To, from, eventsv1.ShardCause_SHARD_CAUSE_OPERATOR, MoveHold)
	if len(unowned) == 0 {
		return []*eventsv1.Event{started}, nil
	}
	b := newBinder(ns, nodes)
	b.add(c.To, nodes.Session(c.To), unowned)
	assigned, err := b.events(eventsv1.ShardCause_SHARD_CAUSE_OPERATOR)
	return append([]*eventsv1.Event{started}, assigned...), err
}

func moveStarted(meta commands.Meta, ns, to string, from map[string][]uint32, cause eventsv1.ShardCause, hold time.Duration) *eventsv1.Event {
	e := &eventsv1.ShardMoveStarted{Namespace: ns, Cause: cause, DeadlineMs: deadline(meta), HoldMs: uint32(hold / time.Millisecond), Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE}
	for _, owner := range slices.Sorted(maps.Keys(from)) {
		e.Moves = append(e.Moves, &eventsv1.ShardMove{From: owner, To: to, Shards: events.PackShards(from[owner])})
	}
	return &eventsv1.Event{Kind: &eventsv1.Event_ShardMoveStarted{ShardMoveStarted: e}}
}

// deadline of a stage of a handoff that starts now, Unix milliseconds.
func deadline(meta commands.Meta) int64 {
	return (meta.Time + int64(MoveDeadline)) / int64(time.Millisecond)
}

func (s *State) decideRebalance(meta commands.Meta, c Rebalance, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	e := &eventsv1.ShardMoveStarted{Namespace: c.Namespace, Cause: eventsv1.ShardCause_SHARD_CAUSE_BALANCE, DeadlineMs: deadline(meta), Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE}
	switch {
	case c.Drain: // also where the rules forbid the shards: they would leave anyway
		e.Cause = eventsv1.ShardCause_SHARD_CAUSE_DRAIN
	case c.Constraint:
		e.Cause = eventsv1.ShardCause_SHARD_CAUSE_CONSTRAINT
	}
	taken := map[uint32]bool{}
	for _, m := range c.Moves {
		if err := nodes.Assignable(m.To, ns.Spec.EligibleRole); err != nil {
			return nil, err
		}
		if c.Drain && !nodes.Draining(m.From) {
			return nil, commands.Refuse("node_not_draining", "node %q is not being drained", m.From)
		}
		ids, err := ns.selection(m.Shards, func(id uint32, sh *Shard) error {
			switch {
			case sh.Owner != m.From || m.From == m.To || sh.Owner == "":
				return refuseShard(ns, id, "not_owner", "is not %s's to give to %s", m.From, m.To)
			case sh.Moving() || taken[id]:
				return refuseShard(ns, id, "shard_moving", "is moving")
			case sh.Silent:
				return refuseSilent(ns, id, sh)
			case sh.Paused:
				return refuseShard(ns, id, "shard_paused", "is paused")
			case sh.Quarantined():
				return quarantinedError(ns, id, sh)
			case sh.HeldUntil > meta.Time && !c.Drain:
				return refuseShard(ns, id, "shard_held", "is held until %s", time.Unix(0, sh.HeldUntil).UTC().Format(time.RFC3339))
			}
			taken[id] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
		e.Moves = append(e.Moves, &eventsv1.ShardMove{From: m.From, To: m.To, Shards: events.PackShards(ids)})
	}
	if len(taken) > events.MaxAssigned {
		return nil, tooLarge("moves", len(taken))
	}
	if len(e.Moves) == 0 {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardMoveStarted{ShardMoveStarted: e}}}, nil
}

// decideRelease is the only way, beside the close of a session, by which an
// owned shard becomes free: handed over to the target of its move, or {released,
// assigned}, in one decision.
func (s *State) decideRelease(c Release, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, ok := s.namespaces.Get(c.Namespace)
	if !ok {
		return nil, commands.Missing("namespace", c.Namespace)
	}
	if len(c.Shards) > events.MaxAssigned {
		return nil, tooLarge("shards", len(c.Shards))
	}
	var current []uint32
	for _, rel := range c.Shards {
		sh := ns.Shard(rel.Shard)
		if sh != nil && sh.Owner == c.NodeID && sh.Session == c.Session && sh.Fence == rel.Fence && rel.Fence != 0 {
			current = append(current, rel.Shard)
		}
	}
	if len(current) == 0 {
		return nil, nil
	}
	slices.Sort(current)
	current = slices.Compact(current)
	evs, current := handOver(ns, nodes, Target{NodeID: c.NodeID, Session: c.Session, Shards: current})
	if len(current) == 0 {
		return evs, nil
	}
	evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardsReleased{ShardsReleased: &eventsv1.ShardsReleased{
		Namespace: c.Namespace, Cause: releaseCause(ns, current),
		Releases: []*eventsv1.ShardAssignment{{NodeId: c.NodeID, Session: uint64(c.Session), Shards: events.PackShards(current)}},
	}}})
	if ns.Deleting {
		return evs, nil
	}
	assigned, err := assignReleased(ns, nodes, current, c.Else, releaseCause(ns, current))
	return append(evs, assigned...), err
}

func releaseCause(ns *Namespace, ids []uint32) eventsv1.ShardCause {
	switch {
	case ns.Deleting:
		return eventsv1.ShardCause_SHARD_CAUSE_NAMESPACE_DELETED
	case ns.Shard(ids[0]).Moving():
		return ns.Shard(ids[0]).MoveCause
	}
	return eventsv1.ShardCause_SHARD_CAUSE_OWNER_RELEASED
}

// assignReleased puts each shard where its move goes, or where the controller
// said, if that node may have it; otherwise it stays unowned. A paused one only
// goes back to its owner: its release was on its way when the pause came.
func assignReleased(ns *Namespace, nodes Nodes, ids []uint32, fallback []Target, cause eventsv1.ShardCause) ([]*eventsv1.Event, error) {
	b := newBinder(ns, nodes)
	where := map[uint32]Target{}
	for _, t := range fallback {
		for _, id := range t.Shards {
			where[id] = t
		}
	}
	groups := map[holder][]uint32{}
	var order []holder
	for _, id := range ids {
		sh := ns.Shard(id)
		h := holder{sh.MoveTo, nodes.Session(sh.MoveTo)}
		if sh.MoveTo == "" || b.assignable(h.node, h.session) != nil {
			h = holder{where[id].NodeID, where[id].Session}
		}
		if sh.Quarantined() || sh.Paused && h.node != sh.Owner || h.node == "" || b.assignable(h.node, h.session) != nil {
			continue
		}
		if groups[h] == nil {
			order = append(order, h)
		}
		groups[h] = append(groups[h], id)
	}
	for _, h := range order {
		b.add(h.node, h.session, groups[h])
	}
	return b.events(cause)
}

func moveCancelled(ns string, ids []uint32, cause eventsv1.ShardCause) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_ShardMoveCancelled{ShardMoveCancelled: &eventsv1.ShardMoveCancelled{
		Namespace: ns, Shards: events.PackShards(ids), Cause: cause,
	}}}
}

func (s *State) decideFailMoves(meta commands.Meta, c FailMoves) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		if !sh.Moving() {
			return refuseShard(ns, id, "shard_not_moving", "is not moving")
		}
		if sh.Forced() {
			return refuseShard(ns, id, "move_forced", "goes to %s when the ownership of %s has ended", sh.MoveTo, sh.Owner)
		}
		if meta.Time < sh.MoveDeadline {
			return refuseShard(ns, id, "deadline_not_reached", "has until %s", time.Unix(0, sh.MoveDeadline).UTC().Format(time.RFC3339))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return failMoves(ns, ids), nil
}

func (s *State) decideCancelMoves(c CancelMoves, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		if sh.MoveTo == "" {
			return refuseShard(ns, id, "shard_not_moving", "is not moving")
		}
		if c.TargetLost && nodes.Assignable(sh.MoveTo, ns.Spec.EligibleRole) == nil {
			return refuseShard(ns, id, "target_still_eligible", "moves to %s, which is eligible", sh.MoveTo)
		}
		if c.DrainOver && (sh.MoveCause != eventsv1.ShardCause_SHARD_CAUSE_DRAIN || nodes.Draining(sh.Owner)) {
			return refuseShard(ns, id, "drain_goes_on", "moves for another reason, or %s is being drained", sh.Owner)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cause := eventsv1.ShardCause_SHARD_CAUSE_OPERATOR
	switch {
	case c.TargetLost:
		cause = eventsv1.ShardCause_SHARD_CAUSE_TARGET_LOST
	case c.DrainOver:
		cause = eventsv1.ShardCause_SHARD_CAUSE_DRAIN
	}
	return []*eventsv1.Event{moveCancelled(c.Namespace, ids, cause)}, nil
}
