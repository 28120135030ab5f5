package model_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func (w *witness) seeShards(r events.Recorded) {
	touch := func(name string, set *eventsv1.ShardSet, fn func(key string, ns *namespace, sh *row)) {
		ns := w.namespaces[name]
		w.must(ns != nil, r, "no namespace %s", name)
		for _, id := range events.UnpackShards(set) {
			w.must(int(id) < len(ns.shards), r, "no shard %d", id)
			fn(fmt.Sprintf("%s/%d", name, id), ns, &ns.shards[id])
			ns.shards[id].Version++
		}
	}
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_ShardsAssigned:
		for _, a := range e.ShardsAssigned.Assignments {
			touch(e.ShardsAssigned.Namespace, a.Shards, func(key string, ns *namespace, sh *row) {
				if e.ShardsAssigned.Cause == eventsv1.ShardCause_SHARD_CAUSE_REBOUND {
					w.rebind(r, a, key, ns, sh)
					return
				}
				w.assign(r, a, key, ns, sh)
			})
		}
	case *eventsv1.Event_ShardsReleased:
		for _, a := range e.ShardsReleased.Releases {
			touch(e.ShardsReleased.Namespace, a.Shards, func(key string, ns *namespace, sh *row) {
				w.must(sh.Owner == a.NodeId && sh.Session == events.Position(a.Session), r, "%s is not %s's to release (S7)", key, a.NodeId)
				if r.Meta.Command == (shard.Move{}).CommandName() { // and no report of its owner
					lease := ns.spec.Ownership == eventsv1.Ownership_OWNERSHIP_LEASE
					w.must(!lease && sh.Silent && sh.Cause == e.ShardsReleased.Cause, r, "%s is passed over, owned by lease: %t (S1)", key, lease)
				}
				sh.Owner, sh.Session, sh.Silent = "", 0, false
				w.back[key] = release{a.NodeId, r.Decision}
			})
		}
	case *eventsv1.Event_ReadersAssigned:
		for _, a := range e.ReadersAssigned.Assignments {
			touch(e.ReadersAssigned.Namespace, a.Shards, func(key string, ns *namespace, sh *row) { w.read(r, a, key, ns, sh) })
		}
	case *eventsv1.Event_ReadersReleased:
		for _, a := range e.ReadersReleased.Releases {
			touch(e.ReadersReleased.Namespace, a.Shards, func(key string, _ *namespace, sh *row) {
				w.must(reads(sh.Readers, a.NodeId) == fmt.Sprintf("%s %d\n", a.NodeId, a.Session), r, "%s is not read by %s", key, a.NodeId)
				sh.Readers = unread(sh.Readers, a.NodeId)
			})
		}
	case *eventsv1.Event_ShardMoveStarted:
		for _, m := range e.ShardMoveStarted.Moves {
			touch(e.ShardMoveStarted.Namespace, m.Shards, func(key string, _ *namespace, sh *row) {
				w.must(!sh.Paused, r, "%s is paused (S10)", key)
				w.must(sh.Owner == m.From && m.From != m.To && (sh.MoveTo == "" || sh.Owner == "" || e.ShardMoveStarted.Cause == eventsv1.ShardCause_SHARD_CAUSE_FORCED), r, "%s moves from %s to %s, it is %+v", key, m.From, m.To, *sh)
				sh.MoveTo, sh.Preparing = m.To, e.ShardMoveStarted.Stage == eventsv1.MoveStage_MOVE_STAGE_PREPARE
				sh.Cause = e.ShardMoveStarted.Cause
			})
		}
	case *eventsv1.Event_ShardMoveReleasing:
		for _, m := range e.ShardMoveReleasing.Moves {
			touch(e.ShardMoveReleasing.Namespace, m.Shards, func(key string, _ *namespace, sh *row) {
				w.must(sh.Owner == m.From && m.From != "" && sh.MoveTo == m.To && sh.Preparing, r, "%s is asked for by %s of %s, it is %+v (S7)", key, m.To, m.From, *sh)
				sh.Preparing = false
			})
		}
	case *eventsv1.Event_ShardsHandedOver:
		for _, h := range e.ShardsHandedOver.Handovers {
			touch(e.ShardsHandedOver.Namespace, h.Shards, func(key string, ns *namespace, sh *row) {
				w.must(sh.Owner == h.From && sh.Session == events.Position(h.FromSession), r, "%s is not %s's to hand over (S7)", key, h.From)
				w.must(sh.MoveTo == h.To && !sh.Preparing && !sh.Paused, r, "%s goes to %s, it is %+v (S7)", key, h.To, *sh)
				sh.Owner, sh.Session, sh.Silent = "", 0, false
				w.assign(r, &eventsv1.ShardAssignment{NodeId: h.To, Session: h.ToSession}, key, ns, sh)
			})
		}
	case *eventsv1.Event_ShardMoveFailed:
		touch(e.ShardMoveFailed.Namespace, e.ShardMoveFailed.Shards, func(_ string, _ *namespace, sh *row) { sh.stay() })
	case *eventsv1.Event_ShardMoveCancelled:
		touch(e.ShardMoveCancelled.Namespace, e.ShardMoveCancelled.Shards, func(_ string, _ *namespace, sh *row) { sh.stay() })
	case *eventsv1.Event_ShardsPaused:
		touch(e.ShardsPaused.Namespace, e.ShardsPaused.Shards, func(_ string, _ *namespace, sh *row) { sh.Paused = true })
	case *eventsv1.Event_ShardsQuarantined:
		touch(e.ShardsQuarantined.Namespace, e.ShardsQuarantined.Shards, func(key string, _ *namespace, sh *row) {
			w.must((sh.Owner == "" || sh.Silent) && !sh.Paused, r, "%s is quarantined as %+v", key, *sh)
			sh.stay()
			sh.Readers = ""
		})
	case *eventsv1.Event_ShardsUnquarantined:
		touch(e.ShardsUnquarantined.Namespace, e.ShardsUnquarantined.Shards, func(string, *namespace, *row) {})
	case *eventsv1.Event_ShardsResumed:
		touch(e.ShardsResumed.Namespace, e.ShardsResumed.Shards, func(_ string, _ *namespace, sh *row) { sh.Paused = false })
	case *eventsv1.Event_OwnershipExpired:
		w.expire(r, e.OwnershipExpired)
	}
}

func (w *witness) assign(r events.Recorded, a *eventsv1.ShardAssignment, key string, ns *namespace, sh *row) {
	n := w.node(a.NodeId)
	w.must(sh.Owner == "", r, "%s is owned by %s (S1)", key, sh.Owner)
	// A release that was on its way when the pause came goes back to its owner.
	w.must(!sh.Paused || w.back[key] == release{a.NodeId, r.Decision}, r, "%s is paused (S10)", key)
	w.must(!ns.deleting, r, "%s is being deleted", key)
	w.must(n.session != 0 && n.session == events.Position(a.Session) && n.lifecycle == membership.Active && !n.left && n.closing == 0 && n.role == ns.spec.EligibleRole, r,
		"%s goes to %s, which is %+v (S3)", key, a.NodeId, *n)
	w.must(r.Position > w.fences[key], r, "%s: fence %d after %d (L2)", key, r.Position, w.fences[key])
	w.fences[key] = r.Position
	sh.stay()
	sh.Owner, sh.Session, sh.Fence = a.NodeId, events.Position(a.Session), r.Position
	sh.Readers = unread(sh.Readers, a.NodeId)
}

// rebind: a silent owner has its shard again, by a session of the same data
// directory, and nothing else of the shard changes.
func (w *witness) rebind(r events.Recorded, a *eventsv1.ShardAssignment, key string, ns *namespace, sh *row) {
	n := w.node(a.NodeId)
	w.must(sh.Owner == a.NodeId && sh.Silent && sh.Cause != eventsv1.ShardCause_SHARD_CAUSE_FORCED, r, "%s is bound again to %s, it is %+v", key, a.NodeId, *sh)
	w.must(!ns.deleting, r, "%s is being deleted", key)
	w.must(n.session == events.Position(a.Session) && n.session != 0 && n.closing == 0 && sh.Session >= n.directory, r,
		"%s of session %d is bound to %s, which is %+v (S1)", key, sh.Session, a.NodeId, *n)
	w.must(r.Position > w.fences[key], r, "%s: fence %d after %d (L2)", key, r.Position, w.fences[key])
	w.fences[key] = r.Position
	sh.Session, sh.Fence, sh.Silent = events.Position(a.Session), r.Position, false
}

// expire: time ends what silent owners have, but not where it is sticky.
func (w *witness) expire(r events.Recorded, e *eventsv1.OwnershipExpired) {
	n := w.node(e.NodeId)
	w.must(n.session != events.Position(e.Session), r, "session %d lives", e.Session)
	for _, name := range e.Namespaces {
		ns, some := w.namespaces[name], false
		w.must(ns != nil, r, "no namespace %s", name)
		departed := n.left && n.session == 0 && events.Position(e.Session) >= n.directory
		w.must(ns.spec.Ownership != eventsv1.Ownership_OWNERSHIP_STICKY || ns.deleting || departed, r, "time ends a sticky ownership in %s", name)
		for i := range ns.shards {
			if sh := &ns.shards[i]; sh.Owner == e.NodeId && sh.Session == events.Position(e.Session) {
				some = true
				sh.Owner, sh.Session, sh.Silent = "", 0, false
				sh.Version++
			}
		}
		w.must(some, r, "nothing of %s expires", name)
	}
}

// read: a reader is another than the owner, assignable, and not one too many.
func (w *witness) read(r events.Recorded, a *eventsv1.ShardAssignment, key string, ns *namespace, sh *row) {
	n := w.node(a.NodeId)
	w.must(sh.Owner != a.NodeId && reads(sh.Readers, a.NodeId) == "", r, "%s is read or owned by %s", key, a.NodeId)
	w.must(!sh.Paused && !ns.deleting, r, "%s is paused or being deleted", key)
	w.must(strings.Count(sh.Readers, "\n") < int(ns.spec.Readers), r, "%s has its readers", key)
	w.must(n.session != 0 && n.session == events.Position(a.Session) && n.lifecycle == membership.Active && !n.left && n.role == ns.spec.EligibleRole, r,
		"%s is read by %s, which is %+v (S3)", key, a.NodeId, *n)
	lines := append(strings.SplitAfter(sh.Readers, "\n"), fmt.Sprintf("%s %d\n", a.NodeId, a.Session))
	slices.Sort(lines)
	sh.Readers = strings.Join(lines, "")
}

// reads is a node's line among readers, "" if there is none; unread the others.
func reads(readers, node string) string {
	for line := range strings.Lines(readers) {
		if strings.HasPrefix(line, node+" ") {
			return line
		}
	}
	return ""
}

func unread(readers, node string) string {
	return strings.Replace(readers, reads(readers, node), "", 1)
}
