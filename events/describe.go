package events

import (
	"fmt"
	"strings"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// UnknownType is the type of an event that a newer release wrote.
const UnknownType = "Unknown"

// LogEntity is what events about the log as a whole are about.
const LogEntity = "log"

// GlobalScope is the leadership scope of the control plane itself.
const GlobalScope = "global-control"

// TypeOf is the message name of an event, for example "ShardsAssigned".
func TypeOf(e *eventsv1.Event) string {
	m := e.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))
	if fd == nil {
		return UnknownType
	}
	return string(fd.Message().Name())
}

// Description is how an event is shown: its context, the id of what it is
// about, and one line for people.
type Description struct {
	Context string
	// ID is a node id, a namespace, "ns/shard", a scope, or a policy's "kind/name".
	ID      string
	Summary string
}

// Describe renders an event. Every event type has a case; a test holds that.
func Describe(e *eventsv1.Event) Description {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_PolicySet:
		return describePolicySet(k.PolicySet)
	}
	for _, describe := range []func(*eventsv1.Event) (Description, bool){
		describeControl, describeMembership, describeLeadership, describeNamespace, describeShards,
	} {
		if d, ok := describe(e); ok {
			return d
		}
	}
	return Description{Context: "unknown", Summary: "an event of a newer release"}
}

func describef(context, id, format string, args ...any) Description {
	return Description{Context: context, ID: id, Summary: fmt.Sprintf(format, args...)}
}

func describeControl(e *eventsv1.Event) (Description, bool) {
	const c = "control"
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_EraStarted:
		return describef(c, k.EraStarted.ClusterId, "era %d of cluster %s started", k.EraStarted.Era, k.EraStarted.ClusterId), true
	case *eventsv1.Event_EraSettled:
		return describef(c, LogEntity, "era %d settled: no lease of the time before it lives", k.EraSettled.Era), true
	case *eventsv1.Event_LogSealed:
		return describef(c, LogEntity, "the log is sealed"), true
	case *eventsv1.Event_LogTailHealed:
		h := k.LogTailHealed
		return describef(c, LogEntity, "the log had lost positions %d to %d; %s had kept them, and they are back", h.First, h.Last, h.KeptBy), true
	case *eventsv1.Event_ReplicaReplaced:
		return describef(c, k.ReplicaReplaced.Server, "the replica of server %s is on a new directory", k.ReplicaReplaced.Server), true
	case *eventsv1.Event_LogResumed:
		return describef(c, LogEntity, "the log is resumed, sealed at position %d", k.LogResumed.Sealed), true
	}
	return Description{}, false
}

func describePolicySet(p *eventsv1.PolicySet) Description {
	id := p.Kind + "/" + p.Name
	if s := p.GetSession(); s != nil {
		return describef("policy", id, "policy %s version %d: session TTL %d ms", id, p.Version, s.TtlMs)
	}
	return describef("policy", id, "policy %s version %d set", id, p.Version)
}

func describeMembership(e *eventsv1.Event) (Description, bool) {
	const c = "membership"
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_NodeJoined:
		n := k.NodeJoined.GetNode()
		return describef(c, n.GetNodeId(), "node %s joined as %s", n.GetNodeId(), n.GetRole()), true
	case *eventsv1.Event_NodeUpdated:
		id := k.NodeUpdated.GetNode().GetNodeId()
		return describef(c, id, "node %s updated", id), true
	case *eventsv1.Event_NodeLeft:
		return describef(c, k.NodeLeft.NodeId, "node %s left", k.NodeLeft.NodeId), true
	case *eventsv1.Event_NodeCordoned:
		return describef(c, k.NodeCordoned.NodeId, "node %s cordoned", k.NodeCordoned.NodeId), true
	case *eventsv1.Event_NodeUncordoned:
		return describef(c, k.NodeUncordoned.NodeId, "node %s uncordoned", k.NodeUncordoned.NodeId), true
	case *eventsv1.Event_ServerLost:
		l := k.ServerLost
		return describef(c, l.NodeId, "server %s lost: %s", l.NodeId, enumWord(l.Cause.String(), "SERVER_LOSS_CAUSE_")), true
	case *eventsv1.Event_ServerReturned:
		return describef(c, k.ServerReturned.NodeId, "server %s returned", k.ServerReturned.NodeId), true
	case *eventsv1.Event_SessionOpened:
		s := k.SessionOpened
		return describef(c, s.NodeId, "session of %s opened, TTL %d ms", s.NodeId, s.TtlMs), true
	case *eventsv1.Event_SessionClosed:
		s := k.SessionClosed
		return describef(c, s.NodeId, "session %d of %s closed: %s", s.Session, s.NodeId, enumWord(s.Cause.String(), "SESSION_CLOSE_CAUSE_")), true
	}
	return Description{}, false
}

func describeLeadership(e *eventsv1.Event) (Description, bool) {
	const c = "leadership"
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_CandidacyDeclared:
		d := k.CandidacyDeclared
		return describef(c, d.Scope, "%s is a candidate for %s", d.NodeId, d.Scope), true
	case *eventsv1.Event_CandidacyWithdrawn:
		d := k.CandidacyWithdrawn
		return describef(c, d.Scope, "%s is no longer a candidate for %s", d.NodeId, d.Scope), true
	case *eventsv1.Event_LeadershipGranted:
		d := k.LeadershipGranted
		return describef(c, d.Scope, "%s leads %s", d.NodeId, d.Scope), true
	case *eventsv1.Event_LeadershipResigned:
		d := k.LeadershipResigned
		return describef(c, d.Scope, "%s resigned from %s, term %d", d.NodeId, d.Scope, d.Term), true
	case *eventsv1.Event_LeadershipExpired:
		d := k.LeadershipExpired
		return describef(c, d.Scope, "%s lost %s, term %d", d.NodeId, d.Scope, d.Term), true
	}
	return Description{}, false
}

func describeNamespace(e *eventsv1.Event) (Description, bool) {
	const c = "shard"
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_NamespaceCreated:
		n := k.NamespaceCreated
		return describef(c, n.Namespace, "namespace %s created with %d shards, strategy %s", n.Namespace, n.Spec.GetShardCount(), n.Spec.GetStrategyId()), true
	case *eventsv1.Event_NamespaceUpdated:
		n := k.NamespaceUpdated
		return describef(c, n.Namespace, "namespace %s updated: %d shards, strategy %s", n.Namespace, n.Spec.GetShardCount(), n.Spec.GetStrategyId()), true
	case *eventsv1.Event_NamespaceDeleting:
		return describef(c, k.NamespaceDeleting.Namespace, "namespace %s is being deleted", k.NamespaceDeleting.Namespace), true
	case *eventsv1.Event_NamespaceDeleted:
		return describef(c, k.NamespaceDeleted.Namespace, "namespace %s deleted", k.NamespaceDeleted.Namespace), true
	}
	return Description{}, false
}

func describeShards(e *eventsv1.Event) (Description, bool) {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_ShardsAssigned:
		a := k.ShardsAssigned
		return shardsDescription(a.Namespace, "assigned", a.Cause, assignmentParts("to", a.Assignments)), true
	case *eventsv1.Event_ShardsReleased:
		r := k.ShardsReleased
		return shardsDescription(r.Namespace, "released", r.Cause, assignmentParts("by", r.Releases)), true
	case *eventsv1.Event_ReadersAssigned:
		a := k.ReadersAssigned
		return shardsDescription(a.Namespace, "readers assigned", a.Cause, assignmentParts("to", a.Assignments)), true
	case *eventsv1.Event_ReadersReleased:
		r := k.ReadersReleased
		return shardsDescription(r.Namespace, "readers released", r.Cause, assignmentParts("by", r.Releases)), true
	case *eventsv1.Event_ShardMoveStarted:
		m := k.ShardMoveStarted
		parts := make([]part, 0, len(m.Moves))
		for _, move := range m.Moves {
			parts = append(parts, part{set: move.Shards, where: "from " + move.From + " to " + move.To})
		}
		return shardsDescription(m.Namespace, "moving", m.Cause, parts), true
	case *eventsv1.Event_ShardMoveFailed:
		m := k.ShardMoveFailed
		return shardsDescription(m.Namespace, "move failed", m.Cause, []part{{set: m.Shards}}), true
	case *eventsv1.Event_ShardMoveCancelled:
		m := k.ShardMoveCancelled
		return shardsDescription(m.Namespace, "move cancelled", m.Cause, []part{{set: m.Shards}}), true
	case *eventsv1.Event_ShardsPaused:
		return shardsDescription(k.ShardsPaused.Namespace, "paused", 0, []part{{set: k.ShardsPaused.Shards}}), true
	case *eventsv1.Event_ShardsResumed:
		return shardsDescription(k.ShardsResumed.Namespace, "resumed", 0, []part{{set: k.ShardsResumed.Shards}}), true
	}
	return Description{}, false
}

// part is one group of shards of an event and where they come from or go to.
type part struct {
	set   *eventsv1.ShardSet
	where string
}

func assignmentParts(preposition string, as []*eventsv1.ShardAssignment) []part {
	parts := make([]part, 0, len(as))
	for _, a := range as {
		parts = append(parts, part{set: a.Shards, where: preposition + " " + a.NodeId})
	}
	return parts
}

// maxParts bounds a summary: the event itself has the rest.
const maxParts = 4

func shardsDescription(ns, verb string, cause eventsv1.ShardCause, parts []part) Description {
	d := Description{Context: "shard", ID: ns}
	total := 0
	var b strings.Builder
	for i, p := range parts {
		total += CountShards(p.set)
		if i >= maxParts {
			continue
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(abbreviate(FormatShards(p.set)))
		if p.where != "" {
			b.WriteString(" " + p.where)
		}
	}
	if len(parts) > maxParts {
		fmt.Fprintf(&b, "; and %d more", len(parts)-maxParts)
	}
	if total == 1 {
		EachShard(parts[0].set, func(id uint32) { d.ID = fmt.Sprintf("%s/%d", ns, id) })
	}
	d.Summary = fmt.Sprintf("%s: %s %s", ns, verb, b.String())
	if cause != 0 {
		d.Summary += " (" + enumWord(cause.String(), "SHARD_CAUSE_") + ")"
	}
	return d
}

func abbreviate(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:strings.LastIndexByte(s[:most], ',')+1] + "…"
}

func enumWord(name, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(name, prefix))
}
