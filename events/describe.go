package events

import (
	"fmt"
	"strings"
	"time"

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
	case *eventsv1.Event_PolicyRemoved:
		id := k.PolicyRemoved.Kind + "/" + k.PolicyRemoved.Name
		return describef("policy", id, "policy %s removed, version %d", id, k.PolicyRemoved.Version)
	}
	for _, describe := range []func(*eventsv1.Event) (Description, bool){
		describeControl, describeLifecycle, describeMembership, describeLeadership, describeNamespace, describeShards,
		describeQuarantine, describeSchedules,
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
	if m := p.GetMaintenance(); m != nil {
		return describef("policy", id, "maintenance %s version %d: %s from %s to %s", p.Name, p.Version,
			enumWord(m.Impact.String(), "MAINTENANCE_IMPACT_"), moment(m.StartMs), moment(m.EndMs))
	}
	if q := p.GetQuarantine(); q != nil {
		if q.Disabled {
			return describef("policy", id, "policy %s version %d: nothing is quarantined", id, p.Version)
		}
		return describef("policy", id, "policy %s version %d: %d deaths in a row within %d ms each, at most %d shards at once", id, p.Version, q.Deaths, q.WindowMs, q.MaxAtOnce)
	}
	return describef("policy", id, "policy %s version %d set", id, p.Version)
}

// moment is a time in Unix milliseconds for people.
func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func describeLifecycle(e *eventsv1.Event) (Description, bool) {
	const c = "membership"
	by := func(window string) string {
		if window == "" {
			return ""
		}
		return " (maintenance " + window + ")"
	}
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_NodeCordoned:
		n := k.NodeCordoned
		return describef(c, n.NodeId, "node %s cordoned%s", n.NodeId, by(n.Window)), true
	case *eventsv1.Event_NodeUncordoned:
		n := k.NodeUncordoned
		return describef(c, n.NodeId, "node %s uncordoned%s", n.NodeId, by(n.Window)), true
	case *eventsv1.Event_NodeDrainStarted:
		n := k.NodeDrainStarted
		return describef(c, n.NodeId, "drain of node %s started, until %s%s", n.NodeId, moment(n.DeadlineMs), by(n.Window)), true
	case *eventsv1.Event_NodeDrainCancelled:
		n := k.NodeDrainCancelled
		return describef(c, n.NodeId, "drain of node %s cancelled%s", n.NodeId, by(n.Window)), true
	case *eventsv1.Event_NodeDrained:
		return describef(c, k.NodeDrained.NodeId, "node %s drained", k.NodeDrained.NodeId), true
	case *eventsv1.Event_NodeDrainStalled:
		n := k.NodeDrainStalled
		return describef(c, n.NodeId, "drain of node %s stalled: %s", n.NodeId, blockers(n)), true
	}
	return Description{}, false
}

// blockers names the first of what blocks a drain.
func blockers(n *eventsv1.NodeDrainStalled) string {
	var parts []string
	for i, b := range n.Blockers {
		if i == maxParts {
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s)", b.Kind, b.Reference, b.Reason))
	}
	if more := len(n.Blockers) - len(parts) + int(n.More); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

func describeQuarantine(e *eventsv1.Event) (Description, bool) {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_ShardsQuarantined:
		q := k.ShardsQuarantined
		d := shardsDescription(q.Namespace, "quarantined", 0, []part{{set: q.Shards}})
		d.Summary += fmt.Sprintf(": %d owners died in a row, %s last", q.Deaths, q.NodeId)
		return d, true
	case *eventsv1.Event_ShardsUnquarantined:
		return shardsDescription(k.ShardsUnquarantined.Namespace, "released from quarantine", 0, []part{{set: k.ShardsUnquarantined.Shards}}), true
	}
	return Description{}, false
}

func describeSchedules(e *eventsv1.Event) (Description, bool) {
	const c = "schedule"
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_ScheduleCreated:
		s := k.ScheduleCreated
		return describef(c, ScheduleEntity(s.Name), "schedule %s created: %s, due %s", s.Name, describeAction(s.Action), moment(s.NextMs)), true
	case *eventsv1.Event_ScheduleRemoved:
		return describef(c, ScheduleEntity(k.ScheduleRemoved.Name), "schedule %s removed", k.ScheduleRemoved.Name), true
	case *eventsv1.Event_ScheduleFired:
		return describef(c, ScheduleEntity(k.ScheduleFired.Name), "%s", describeFired(k.ScheduleFired)), true
	case *eventsv1.Event_SchedulePaused:
		return describef(c, ScheduleEntity(k.SchedulePaused.Name), "schedule %s paused", k.SchedulePaused.Name), true
	case *eventsv1.Event_ScheduleResumed:
		s := k.ScheduleResumed
		return describef(c, ScheduleEntity(s.Name), "schedule %s resumed, due %s", s.Name, moment(s.NextMs)), true
	}
	return Description{}, false
}

// ScheduleEntity is the id of a schedule among all that events are about.
func ScheduleEntity(name string) string { return "schedule/" + name }

func describeFired(f *eventsv1.ScheduleFired) string {
	text := fmt.Sprintf("schedule %s fired for %s, attempt %d: %s", f.Name, moment(f.DueMs), f.Attempt, enumWord(f.Outcome.String(), "SCHEDULE_OUTCOME_"))
	if f.Reason != "" {
		text += " (" + f.Reason + ")"
	}
	switch {
	case f.Retry:
		return text + "; again " + moment(f.NextMs)
	case f.NextMs != 0:
		return text + "; next " + moment(f.NextMs)
	}
	return text
}

func describeAction(a *eventsv1.ScheduledAction) string {
	on := func(verb, namespace string, set *eventsv1.ShardSet) string {
		return verb + " " + namespace + " " + abbreviate(FormatShards(set))
	}
	switch k := a.GetAction().(type) {
	case *eventsv1.ScheduledAction_Cordon:
		return "cordon " + k.Cordon.GetNodeId()
	case *eventsv1.ScheduledAction_Uncordon:
		return "uncordon " + k.Uncordon.GetNodeId()
	case *eventsv1.ScheduledAction_Drain:
		return "drain " + k.Drain.GetNodeId()
	case *eventsv1.ScheduledAction_CancelDrain:
		return "cancel the drain of " + k.CancelDrain.GetNodeId()
	case *eventsv1.ScheduledAction_Move:
		return on("move", k.Move.GetNamespace(), k.Move.GetShards()) + " to " + k.Move.GetTo()
	case *eventsv1.ScheduledAction_Pause:
		return on("pause", k.Pause.GetNamespace(), k.Pause.GetShards())
	case *eventsv1.ScheduledAction_Resume:
		return on("resume", k.Resume.GetNamespace(), k.Resume.GetShards())
	case *eventsv1.ScheduledAction_Unquarantine:
		return on("unquarantine", k.Unquarantine.GetNamespace(), k.Unquarantine.GetShards())
	}
	return "an action of a newer release"
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
	case *eventsv1.Event_ServerLost:
		l := k.ServerLost
		return describef(c, l.NodeId, "server %s lost: %s", l.NodeId, enumWord(l.Cause.String(), "SERVER_LOSS_CAUSE_")), true
	case *eventsv1.Event_ServerReturned:
		return describef(c, k.ServerReturned.NodeId, "server %s returned", k.ServerReturned.NodeId), true
	case *eventsv1.Event_SessionOpened:
		s := k.SessionOpened
		return describef(c, s.NodeId, "session of %s opened, TTL %d ms", s.NodeId, s.TtlMs), true
	case *eventsv1.Event_SessionClosing:
		s := k.SessionClosing
		return describef(c, s.NodeId, "session %d of %s is going to be closed: %s", s.Session, s.NodeId, enumWord(s.Cause.String(), "SESSION_CLOSE_CAUSE_")), true
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
		return shardsDescription(m.Namespace, "moving", m.Cause, moveParts(m.Moves)), true
	case *eventsv1.Event_ShardMoveReleasing:
		m := k.ShardMoveReleasing
		return shardsDescription(m.Namespace, "prepared, releasing", m.Cause, moveParts(m.Moves)), true
	case *eventsv1.Event_ShardsHandedOver:
		h := k.ShardsHandedOver
		return shardsDescription(h.Namespace, "handed over", h.Cause, moveParts(h.Handovers)), true
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
	case *eventsv1.Event_OwnershipExpired:
		o := k.OwnershipExpired
		return describef("shard", o.NodeId, "ownership of %s by its session %d expired in %s", o.NodeId, o.Session, nameSome(o.Namespaces)), true
	}
	return Description{}, false
}

// part is one group of shards of an event and where they come from or go to.
type part struct {
	set   *eventsv1.ShardSet
	where string
}

func moveParts[T interface {
	GetFrom() string
	GetTo() string
	GetShards() *eventsv1.ShardSet
}](moves []T) []part {
	parts := make([]part, 0, len(moves))
	for _, m := range moves {
		parts = append(parts, part{set: m.GetShards(), where: "from " + m.GetFrom() + " to " + m.GetTo()})
	}
	return parts
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

// nameSome names the first of many.
func nameSome(names []string) string {
	if len(names) <= maxParts {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxParts], ", "), len(names)-maxParts)
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
