package sessions

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// holder is a closed session that still owns shards.
type holder struct {
	node    string
	session events.Position
}

// standing is what a closed session still owns. Its node may act on it for as long
// as the mode says from the last heartbeat that was answered, on its own clock and
// with its margin; this is that time on the leader's.
type standing struct {
	// heard is not before the receipt of the last heartbeat that any leader answered,
	// boot time. Nobody answers one after the close, so it moves only when authority is
	// gained anew: what this leader knows of before is then worth nothing.
	heard int64
	// spaces are the namespaces, in the order of names.
	spaces []space
	// departed: the node left, with all that it owned.
	departed bool
}

type space struct {
	name string
	// goesOn is how long ownerships go on; ends is false where time ends none.
	goesOn time.Duration
	ends   bool
}

// syncStanding takes over what outlives its session from the model, and the time of
// the last answered heartbeat from the leases that it was kept in until then.
func (l *Leases) syncStanding(m *model.Model, anew bool, now int64) {
	for _, s := range l.standing {
		s.spaces = s.spaces[:0]
		if anew {
			s.heard = now + int64(Grace)
		}
	}
	m.Shard.EachSilent(func(ns *shard.Namespace, node string, session events.Position) bool {
		h := holder{node, session}
		s := l.standing[h]
		if s == nil {
			s = &standing{heard: l.lastHeard(h, anew, now)}
			l.standing[h] = s
		}
		s.departed = m.Membership.Departed(node, session)
		s.spaces = append(s.spaces, space{name: ns.Name, goesOn: ns.Spec.OwnershipTTL, ends: ns.SilenceEnds()})
		return true
	})
	maps.DeleteFunc(l.standing, func(_ holder, s *standing) bool { return len(s.spaces) == 0 })
}

// lastHeard is not before the last answered heartbeat of a session that is closed.
// Its timer had started at that heartbeat, or later; of one whose timer did not run
// here since authority was gained, another leader may have answered the last.
func (l *Leases) lastHeard(h holder, anew bool, now int64) int64 {
	if x := l.byNode[h.node]; x != nil && x.session == h.session && !anew {
		return x.deadline - int64(x.ttl)
	}
	return now + int64(Grace)
}

// ending asks for the end of the ownerships whose time has passed. The brake holds
// them as it holds closes: what fell silent with most others may be as well as the
// others. A leave is no silence. next is the boot time at which the next one ends; 0
// is none.
func (l *Leases) ending(now int64) (cmds []commands.Command, next int64) {
	for _, h := range slices.SortedFunc(maps.Keys(l.standing), compareHolders) {
		s := l.standing[h]
		var due []string
		for _, sp := range s.spaces {
			ends := s.heard + int64(sp.goesOn)
			switch {
			case s.departed || sp.ends && now >= ends:
				due = append(due, sp.name)
			case sp.ends:
				next = sooner(next, ends)
			}
		}
		if len(due) > 0 && !s.departed && !l.era.settling && l.brakes(now) {
			next = sooner(next, l.brake)
			continue
		}
		for part := range slices.Chunk(due, shard.MaxExpired) {
			cmds = append(cmds, shard.ExpireOwnership{NodeID: h.node, Session: h.session, Namespaces: part})
		}
	}
	return cmds, next
}

func compareHolders(a, b holder) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.session, b.session))
}
