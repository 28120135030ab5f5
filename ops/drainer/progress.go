package drainer

import (
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Progress is what a drain has before it.
type Progress struct {
	// Shards that the node owns, those of them that are moving, and Readings, those
	// that it reads.
	Shards, Moving, Readings, Leaderships int
	// InFlight is how many shards the node says that it holds, if it was Heard.
	InFlight int
	Heard    bool
	// Blockers will not go away by waiting; at most [membership.MaxBlockers] are
	// named, and MoreBlockers counts the others.
	Blockers     []Blocker
	MoreBlockers int

	// pending is on its way.
	pending     []Blocker
	morePending int
	session     events.Position
}

// Blocker is one thing that keeps a node from being drained.
type Blocker struct {
	// Kind is shard, leadership, hold or node; Reason is one word.
	Kind, Reference, Reason string
	// Detail says it to people.
	Detail string
}

// done is A7.
func (p *Progress) done() bool {
	return p.Shards == 0 && p.Readings == 0 && p.Leaderships == 0 && (p.session == 0 || p.Heard && p.InFlight == 0)
}

func (p *Progress) block(kind, ref, reason, detail string) {
	if len(p.Blockers) == membership.MaxBlockers {
		p.MoreBlockers++
		return
	}
	p.Blockers = append(p.Blockers, Blocker{kind, ref, reason, detail})
}

func (p *Progress) wait(kind, ref, reason string) {
	if len(p.pending) == membership.MaxBlockers {
		p.morePending++
		return
	}
	p.pending = append(p.pending, Blocker{Kind: kind, Reference: ref, Reason: reason})
}

// Look says what is left of the drain of a node. reports may be nil: then nothing is
// known of what the node itself holds. It is pure.
func Look(m *model.Model, n membership.Node, reports Reports, logTime int64) Progress {
	p := Progress{session: n.Session}
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		if ns.Owned(n.NodeID) > 0 || ns.Reading(n.NodeID) > 0 {
			p.namespace(m, n, ns, logTime)
		}
		return true
	})
	m.Leadership.EachScope(func(sc leadership.Scope) bool {
		if sc.Holder == n.NodeID {
			p.Leaderships++
			p.wait("leadership", sc.Name, "leading")
		}
		return true
	})
	if n.Session != 0 && reports != nil {
		p.holds(m, n, reports)
	}
	return p
}

func (p *Progress) namespace(m *model.Model, n membership.Node, ns *shard.Namespace, logTime int64) {
	var to destinations
	if ns.Owned(n.NodeID) > 0 {
		to = destinationsOf(m, ns)
	}
	left := ns.Owned(n.NodeID) + ns.Reading(n.NodeID)
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		switch {
		case sh.Owner == n.NodeID:
			left--
			p.owned(n, ns, id, to, logTime)
		case sh.Readers.Session(n.NodeID) != 0: // the placer takes it, whatever becomes of the shard
			left--
			p.Readings++
			p.wait("shard", reference(ns.Name, id), "reading")
		}
		return left > 0
	})
}

// owned says what becomes of a shard that the node owns.
func (p *Progress) owned(n membership.Node, ns *shard.Namespace, id uint32, to destinations, logTime int64) {
	sh, ref := ns.Shard(id), reference(ns.Name, id)
	p.Shards++
	switch {
	case sh.Paused:
		p.block("shard", ref, "paused", "it is paused: resume it, or move it by hand")
	case sh.Quarantined() && !ns.Deleting:
		p.block("shard", ref, "quarantined", "it is quarantined and stays where its data is: release it, and its owner is bound to it again")
	case sh.Session != n.Session:
		p.block("shard", ref, "owner_silent", "its owner has no live session and its ownership goes on: move it by force, or wait for its owner")
	case sh.Moving():
		p.Moving++
		p.wait("shard", ref, "moving")
	case ns.Deleting:
		p.wait("shard", ref, "namespace_deleting")
	case sh.Rests(logTime, n.DrainStarted):
		reason, what := stuck(sh)
		p.block("shard", ref, reason, fmt.Sprintf("%s; it is tried again at %s, or when the drain is asked for again",
			what, time.Unix(0, sh.HeldUntil).UTC().Format(time.RFC3339)))
	case to.none():
		p.block("shard", ref, "no_eligible_node", fmt.Sprintf("no active node with role %s is there to take it", ns.Spec.EligibleRole))
	case to.forbidden(id):
		p.block("shard", ref, "pinned", "the rules of its namespace let no active node have it: change them, or start a node that they allow")
	default:
		p.wait("shard", ref, "waiting")
	}
}

// stuck is why the last move of a shard failed, for programs and for people.
func stuck(sh *shard.Shard) (reason, what string) {
	if sh.Stuck == eventsv1.ShardCause_SHARD_CAUSE_TARGET_NOT_PREPARED {
		return "target_not_prepared", "the node that it should go to did not prepare it"
	}
	return "owner_not_releasing", "its owner did not release it"
}

// holds counts what the node says that it holds. What the log says that it owns is
// counted there; the rest is what it has not ended yet.
func (p *Progress) holds(m *model.Model, n membership.Node, reports Reports) {
	p.Heard = reports.EachHeld(n.NodeID, n.Session, func(name string, id uint32, fence events.Position) {
		p.InFlight++
		if ns, ok := m.Shard.Namespace(name); ok {
			if sh := ns.Shard(id); sh != nil && sh.Owner == n.NodeID && sh.Session == n.Session {
				return
			}
		}
		p.block("hold", reference(name, id), "not_ended", fmt.Sprintf("the node still holds it with fence %d, which the log has ended", fence))
	})
	if !p.Heard {
		p.wait("node", n.NodeID, "not_heard")
	}
}

func reference(namespace string, shard uint32) string { return fmt.Sprintf("%s/%d", namespace, shard) }
