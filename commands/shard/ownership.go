package shard

import (
	"encoding/binary"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// How shards are owned; DESIGN.md has the reasons.
const (
	leased = eventsv1.Ownership_OWNERSHIP_LEASE
	fenced = eventsv1.Ownership_OWNERSHIP_FENCED
	sticky = eventsv1.Ownership_OWNERSHIP_STICKY
)

// Forced reports whether an operator takes the shard from its owner.
func (sh *Shard) Forced() bool {
	return sh.MoveTo != "" && sh.MoveCause == eventsv1.ShardCause_SHARD_CAUSE_FORCED
}

// rides reports whether a member may act as the owner after its lease has ended
// while nobody else may: until its ownershipTTL is over, whatever became of its
// session.
func (ns *Namespace) rides() bool { return ns.Spec.Ownership == leased && ns.Spec.OwnershipTTL > 0 }

// endsWith reports whether an ownership ends with its session.
func (ns *Namespace) endsWith(sh *Shard, cause eventsv1.SessionCloseCause) bool {
	switch cause {
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT: // after its releases
		return true
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED: // the process that owned is gone
		return ns.Spec.Ownership != sticky || sh.Forced()
	}
	switch ns.Spec.Ownership {
	case fenced:
		return ns.Spec.OwnershipTTL == 0 || sh.Forced()
	case sticky:
		return sh.Forced()
	}
	return !ns.rides()
}

// SilenceEnds reports whether the ownerships of silent owners end by time, and how
// long they go on after the last answered heartbeat. A sticky one does in a
// namespace that is being deleted: that is an operator's word.
func (ns *Namespace) SilenceEnds() bool { return ns.Spec.Ownership != sticky || ns.Deleting }

// holder is who owns, or owned, shards.
type holder struct {
	node    string
	session events.Position
}

// holderKey orders holders; a node's name has no byte 0.
func holderKey(node string, session events.Position) string {
	return string(binary.BigEndian.AppendUint64(append([]byte(node), 0), uint64(session)))
}

func parseHolder(key string) holder {
	at := len(key) - 8
	return holder{key[:at-1], events.Position(binary.BigEndian.Uint64([]byte(key[at:])))}
}

// EachSilent calls fn for every namespace and ended session that still owns shards
// of it, until it returns false.
func (s *State) EachSilent(fn func(ns *Namespace, node string, session events.Position) bool) {
	s.namespaces.Scan(func(_ string, ns *Namespace) bool {
		more := true
		ns.silent.Scan(func(key string, _ int) bool {
			h := parseHolder(key)
			more = fn(ns, h.node, h.session)
			return more
		})
		return more
	})
}

// SilentShards are the shards of a namespace that an ended session still owns,
// ascending.
func (ns *Namespace) SilentShards(node string, session events.Position) []uint32 {
	var ids []uint32
	ns.each(holder{node, session}, func(id uint32, sh *Shard) {
		if sh.Silent {
			ids = append(ids, id)
		}
	})
	return ids
}

// each calls fn for every shard of a holder.
func (ns *Namespace) each(of holder, fn func(id uint32, sh *Shard)) {
	left := ns.Owned(of.node)
	for i := 0; i < len(ns.pages) && left > 0; i++ {
		for j := range ns.pages[i].shards { // fn may put another page in its place
			if sh := &ns.pages[i].shards[j]; sh.Owner == of.node {
				left--
				if sh.Session == of.session {
					fn(uint32(i*pageSize+j), sh)
				}
			}
		}
	}
}

// kills reports whether the close of its owner's session counts as a death of a
// shard. Silence does not where it does not end the ownership either: who owns may
// live.
func (ns *Namespace) kills(sh *Shard, cause eventsv1.SessionCloseCause) bool {
	return deadly(cause) && (ns.endsWith(sh, cause) || cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED)
}

// sessionClosed releases what ends with the session, readings too; the rest goes on
// without it. A death counts against what it took down with it.
func (s *State) sessionClosed(now int64, e *eventsv1.SessionClosed) {
	var names []string
	s.EachNamespace(func(ns *Namespace) bool {
		if ns.Owned(e.NodeId) > 0 || ns.Reading(e.NodeId) > 0 {
			names = append(names, ns.Name)
		}
		return true
	})
	for _, name := range names {
		ns := s.writable(name)
		left := ns.Owned(e.NodeId) + ns.Reading(e.NodeId)
		for i := 0; i < len(ns.pages) && left > 0; i++ {
			for j := range ns.pages[i].shards {
				left -= ns.leave(uint32(i*pageSize+j), e.NodeId, events.Position(e.Session), func(sh *Shard) { s.lose(ns, sh, now, e.Cause) })
			}
		}
	}
}

// lose is what becomes of a shard whose owner's session is closed.
func (s *State) lose(ns *Namespace, sh *Shard, now int64, cause eventsv1.SessionCloseCause) {
	ends := ns.endsWith(sh, cause)
	switch {
	case ns.kills(sh, cause):
		sh.died(now, s.quarantine, cause)
	case ends:
		sh.let(now, s.quarantine)
	}
	if ends {
		sh.unown()
	} else {
		sh.Silent = true
	}
}

func (s *State) ownershipExpired(now int64, e *eventsv1.OwnershipExpired) {
	of := holder{e.NodeId, events.Position(e.Session)}
	for _, name := range e.Namespaces {
		if ns := s.writable(name); ns != nil {
			ns.each(of, func(id uint32, _ *Shard) {
				ns.edit(id, func(sh *Shard) {
					sh.let(now, s.quarantine)
					sh.unown()
				})
			})
		}
	}
}

// LongestTTL is the longest time that a member may own by a lease after its last
// answered heartbeat, as far as namespaces ask for more than sessions do.
func (s *State) LongestTTL() (longest int64) {
	s.EachNamespace(func(ns *Namespace) bool {
		if ns.rides() {
			longest = max(longest, int64(ns.Spec.OwnershipTTL))
		}
		return true
	})
	return longest
}
