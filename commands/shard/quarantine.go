package shard

import (
	"maps"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Quarantine is the rule by which shards are taken out of service because their
// owners die of them, as the policy of kind "quarantine" has it.
type Quarantine struct {
	// Deaths of owners in a row, each within Window of its assignment, that are
	// too many.
	Deaths uint32        `cbor:"1,keyasint"`
	Window time.Duration `cbor:"2,keyasint"`
	// MaxAtOnce is the most shards, over all namespaces, that one death may
	// quarantine: one that would take more out of service singles out none.
	MaxAtOnce uint32 `cbor:"3,keyasint"`
	Disabled  bool   `cbor:"4,keyasint,omitempty"`
	// TTL of sessions, by its own policy: an owner that fell silent has been so for
	// that long when its session expires.
	TTL time.Duration `cbor:"5,keyasint"`
}

// DefaultQuarantine is the rule while the policy was never set.
func DefaultQuarantine() Quarantine {
	return Quarantine{Deaths: 2, Window: 10 * time.Minute, MaxAtOnce: 3, TTL: 5 * time.Second}
}

// Unquarantine releases shards: they are placed again, and no death counts
// against them.
type Unquarantine struct {
	Namespace string
	Shards    []uint32
}

// CommandName implements commands.Command.
func (Unquarantine) CommandName() string { return "shard.Unquarantine" }

// Quarantined reports whether the shard is out of service until an operator
// releases it.
func (sh *Shard) Quarantined() bool { return sh.QuarantinedAt != 0 }

// deadly are the closes by which an owner has died: it fell silent, or another
// process came in its place. One that left, or was sent away, has not.
func deadly(cause eventsv1.SessionCloseCause) bool {
	return cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED ||
		cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED
}

// maxDeaths is where the count of a shard ends. A rule asks for fewer.
const maxDeaths = 255

// died counts the death of the owner, at a time, if it came within the window of
// the assignment; who lived longer has survived the shard.
func (sh *Shard) died(now int64, q Quarantine, cause eventsv1.SessionCloseCause) {
	if !sh.survived(now, q) && !sh.tookNothing(now, q, cause) && sh.Deaths < maxDeaths {
		sh.Deaths++
	}
	sh.AssignedAt = 0
}

// tookNothing reports whether the owner was silent already when it was given the
// shard: of nodes that die together, one is given the shards of the other before it
// is known. A member is heard every quarter of its TTL, so one that dies as soon as
// it has a shard lives on, for the log, for three quarters of it or more.
func (sh *Shard) tookNothing(now int64, q Quarantine, cause eventsv1.SessionCloseCause) bool {
	return cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED && now-sh.AssignedAt < int64(q.TTL)/2
}

// survived reports whether the owner has had the shard for longer than the
// window, which clears the count.
func (sh *Shard) survived(now int64, q Quarantine) bool {
	if sh.AssignedAt == 0 || now-sh.AssignedAt <= int64(q.Window) {
		return false
	}
	sh.Deaths = 0
	return true
}

// let ends a tenure that no death ended.
func (sh *Shard) let(now int64, q Quarantine) {
	sh.survived(now, q)
	sh.AssignedAt = 0
}

// Quarantine returns the events by which the close of a session, about to be
// decided at a time, takes shards out of service. They belong right behind it.
func (s *State) Quarantine(now int64, e *eventsv1.SessionClosed) []*eventsv1.Event {
	if s.quarantine.Disabled || !deadly(e.Cause) {
		return nil
	}
	var evs []*eventsv1.Event
	total := 0
	s.EachNamespace(func(ns *Namespace) bool {
		byDeaths := s.condemned(ns, now, e)
		for _, deaths := range slices.Sorted(maps.Keys(byDeaths)) {
			total += len(byDeaths[deaths])
			evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardsQuarantined{ShardsQuarantined: &eventsv1.ShardsQuarantined{
				Namespace: ns.Name, Shards: events.PackShards(byDeaths[deaths]), NodeId: e.NodeId, Deaths: deaths,
			}}})
		}
		return total <= int(s.quarantine.MaxAtOnce)
	})
	if total > int(s.quarantine.MaxAtOnce) {
		return nil
	}
	return evs
}

// condemned are the shards of a namespace that the close of a session is one
// death too many for, by the number of deaths. A paused one is not placed until
// an operator resumes it, and stays theirs.
func (s *State) condemned(ns *Namespace, now int64, e *eventsv1.SessionClosed) map[uint32][]uint32 {
	if ns.Deleting {
		return nil
	}
	found := map[uint32][]uint32{}
	ns.each(holder{e.NodeId, events.Position(e.Session)}, func(id uint32, sh *Shard) {
		if !ns.kills(sh, e.Cause) {
			return
		}
		after := *sh
		after.died(now, s.quarantine, e.Cause)
		if after.Deaths == sh.Deaths {
			return // this one is no death of it
		}
		if !sh.Paused && !sh.Quarantined() && uint32(after.Deaths) >= s.quarantine.Deaths {
			found[uint32(after.Deaths)] = append(found[uint32(after.Deaths)], id)
		}
	})
	return found
}

func (s *State) decideUnquarantine(c Unquarantine) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		if !sh.Quarantined() {
			return refuseShard(ns, id, "shard_not_quarantined", "is not quarantined")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsUnquarantined{ShardsUnquarantined: &eventsv1.ShardsUnquarantined{
		Namespace: c.Namespace, Shards: events.PackShards(ids),
	}}}}, nil
}

func quarantinedError(ns *Namespace, id uint32, sh *Shard) error {
	return refuseShard(ns, id, "shard_quarantined", "is quarantined since %s: %d owners died of it in a row",
		time.Unix(0, sh.QuarantinedAt).UTC().Format(time.RFC3339), sh.Deaths)
}

// policySet keeps what of the policies says what counts as a death: that is
// evolved.
func (s *State) policySet(p *eventsv1.PolicySet) {
	if q := p.GetQuarantine(); q != nil {
		s.quarantine = Quarantine{
			Deaths: q.Deaths, Window: time.Duration(q.WindowMs) * time.Millisecond,
			MaxAtOnce: q.MaxAtOnce, Disabled: q.Disabled, TTL: s.quarantine.TTL,
		}
	}
	if session := p.GetSession(); session != nil {
		s.quarantine.TTL = time.Duration(session.TtlMs) * time.Millisecond
	}
}

var _ commands.Command = Unquarantine{}
