package shard

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// checkOwnership refuses a mode that there is not, and a time that it has not.
func (sp Spec) checkOwnership() error {
	switch sp.Ownership {
	case leased, fenced, sticky:
	default:
		r := commands.BadField("ownership", "lease, fenced, sticky", "is %d", sp.Ownership)
		r.Reason = "ownership_unsupported"
		return r
	}
	allowed := fmt.Sprintf("0, which is the session's time to live, to %d", MaxOwnershipTTL.Milliseconds())
	if sp.Ownership == sticky {
		allowed = "0 with sticky, where silence ends nothing"
	}
	if sp.OwnershipTTL < 0 || sp.OwnershipTTL > MaxOwnershipTTL || sp.OwnershipTTL != 0 && sp.Ownership == sticky {
		return commands.BadField("ownershipTtlMs", allowed, "is %d", sp.OwnershipTTL.Milliseconds())
	}
	return nil
}

// checkOutlasts refuses a time that would be over before the session is. Sessions
// may be given a longer one later: an ownership then goes on with its session.
func (sp Spec) checkOutlasts(sessions Sessions) error {
	if sp.OwnershipTTL == 0 {
		return nil
	}
	if sessionTTL := sessions.SessionTTL(); sp.OwnershipTTL < sessionTTL {
		return commands.BadField("ownershipTtlMs", fmt.Sprintf("0, or the session's time to live, %d, to %d", sessionTTL.Milliseconds(), MaxOwnershipTTL.Milliseconds()),
			"is %d", sp.OwnershipTTL.Milliseconds())
	}
	return nil
}

func refuseSilent(ns *Namespace, id uint32, sh *Shard) error {
	return refuseShard(ns, id, "owner_silent", "is owned by %s, whose session %d is closed and can release nothing; a forced move passes it over", sh.Owner, sh.Session)
}

// decideRebind gives nothing to anybody: the node owns the shards already, and what
// it may be refused, it keeps. So a cordon does not stop it, and neither does a
// pause (S3, S10); a move that is under way goes on, one by force excepted, whose
// owner shall not have the shard any more.
func (s *State) decideRebind(c Rebind, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	if heir := nodes.Heir(c.NodeID, c.From); heir == 0 || heir != c.Session {
		return nil, commands.Refuse("session_not_found", "session %d of node %q does not follow its session %d in one data directory", c.Session, c.NodeID, c.From)
	}
	b := newBinder(ns, nodes)
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		switch {
		case sh.Owner != c.NodeID || sh.Session != c.From || !sh.Silent:
			return refuseShard(ns, id, "not_owner", "is not owned by the ended session %d of %s", c.From, c.NodeID)
		case sh.Quarantined():
			return quarantinedError(ns, id, sh)
		case sh.Forced():
			return refuseShard(ns, id, "move_forced", "is taken from %s", c.NodeID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.add(c.NodeID, c.Session, ids)
	return b.events(eventsv1.ShardCause_SHARD_CAUSE_REBOUND)
}

// decideExpire ends ownerships without their owner. It cannot know the time that has
// passed, which only the leader's timers do, but it knows what time does not end.
func (s *State) decideExpire(c ExpireOwnership, nodes Nodes) ([]*eventsv1.Event, error) {
	if len(c.Namespaces) > MaxExpired {
		return nil, &commands.Rejected{Kind: commands.Invalid, Reason: "too_large", Field: "namespaces",
			Message: fmt.Sprintf("%d namespaces in one command", len(c.Namespaces)), Allowed: fmt.Sprintf("at most %d", MaxExpired)}
	}
	if nodes.Open(c.NodeID, c.Session) {
		return nil, commands.Refuse("session_open", "session %d of node %q is not closed: it owns what it owns", c.Session, c.NodeID)
	}
	names := slices.Compact(slices.Sorted(slices.Values(c.Namespaces)))
	departed := nodes.Departed(c.NodeID, c.Session)
	var ends []string
	for _, name := range names {
		ns, ok := s.namespaces.Get(name)
		if !ok {
			continue
		}
		if _, owns := ns.silent.Get(holderKey(c.NodeID, c.Session)); !owns {
			continue
		}
		if !ns.SilenceEnds() && !departed {
			return nil, commands.Refuse("ownership_sticky", "silence ends no ownership in namespace %q; a leave of %q or a forced move does", name, c.NodeID)
		}
		ends = append(ends, name)
	}
	if len(ends) == 0 {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_OwnershipExpired{OwnershipExpired: &eventsv1.OwnershipExpired{
		NodeId: c.NodeID, Session: uint64(c.Session), Namespaces: ends,
	}}}}, nil
}

// seizure sorts the shards of a forced move by what stands in its way.
type seizure struct {
	// free go at once: nobody owns them, or an owner whom it is safe, or an operator's
	// word, to pass over.
	free []uint32
	from map[string][]uint32
	// passed are the silent owners that are passed over, closing those whose sessions
	// are to be closed first.
	passed, closing map[holder][]uint32
}

// decideForcedMove takes shards from owners that do not release. A live owner's
// session is closed, which ends what it owns here: see [Namespace.endsWith]. A
// silent owner is passed over at once where its ownership is kept by fences, or by
// an operator's word; one that may ride through (S1) first has its time.
func (s *State) decideForcedMove(meta commands.Meta, ns *Namespace, c Move, nodes Nodes) ([]*eventsv1.Event, error) {
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		switch {
		case sh.Paused:
			return refuseShard(ns, id, "shard_paused", "is paused")
		case sh.Quarantined():
			return quarantinedError(ns, id, sh)
		case sh.Owner == c.To:
			return refuseShard(ns, id, "already_owner", "is owned by %s", sh.Owner)
		case sh.Forced() && sh.MoveTo == c.To:
			return refuseShard(ns, id, "shard_moving", "is moving to %s, by force", sh.MoveTo)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	z := ns.seize(ids)
	const cause = eventsv1.ShardCause_SHARD_CAUSE_FORCED
	evs := []*eventsv1.Event{moveStarted(meta, ns.Name, c.To, z.from, cause, MoveHold)}
	if len(z.passed) > 0 {
		e := &eventsv1.ShardsReleased{Namespace: ns.Name, Cause: cause}
		for _, h := range holders(z.passed) {
			e.Releases = append(e.Releases, &eventsv1.ShardAssignment{NodeId: h.node, Session: uint64(h.session), Shards: events.PackShards(z.passed[h])})
		}
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardsReleased{ShardsReleased: e}})
	}
	if len(z.free) > 0 {
		b := newBinder(ns, nodes)
		b.add(c.To, nodes.Session(c.To), z.free)
		assigned, err := b.events(cause)
		if err != nil {
			return nil, err
		}
		evs = append(evs, assigned...)
	}
	for _, h := range holders(z.closing) {
		evs = append(evs, nodes.ForceClose(h.node, h.session)...)
	}
	return evs, nil
}

func (ns *Namespace) seize(ids []uint32) seizure {
	z := seizure{from: map[string][]uint32{}, passed: map[holder][]uint32{}, closing: map[holder][]uint32{}}
	for _, id := range ids {
		sh := ns.Shard(id)
		h := holder{sh.Owner, sh.Session}
		z.from[sh.Owner] = append(z.from[sh.Owner], id)
		switch {
		case sh.Owner == "":
			z.free = append(z.free, id)
		case !sh.Silent:
			z.closing[h] = append(z.closing[h], id)
		case !ns.rides():
			z.free = append(z.free, id)
			z.passed[h] = append(z.passed[h], id)
		}
	}
	return z
}

// holders are the keys in an order that is the same everywhere.
func holders(of map[holder][]uint32) []holder {
	return slices.SortedFunc(maps.Keys(of), func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.session, b.session))
	})
}
