package registry

import (
	"maps"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

func timestamp(nanos int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(0, nanos)) }

// Apply implements [projections.Table].
func (Peers) Apply(rows *projections.Rows, rec events.Recorded) {
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_NodeJoined:
		changePeer(rows, rec, e.NodeJoined.GetNode().GetNodeId(), func(p *controlv1.Peer) {
			describe(p, e.NodeJoined.GetNode())
			p.Status, p.JoinedAt = controlv1.PeerStatus_PEER_STATUS_ALIVE, timestamp(rec.Time)
		})
	case *eventsv1.Event_NodeUpdated:
		changePeer(rows, rec, e.NodeUpdated.GetNode().GetNodeId(), func(p *controlv1.Peer) { describe(p, e.NodeUpdated.GetNode()) })
	case *eventsv1.Event_NodeLeft:
		changePeer(rows, rec, e.NodeLeft.NodeId, func(p *controlv1.Peer) { p.Status = controlv1.PeerStatus_PEER_STATUS_LEFT })
	case *eventsv1.Event_NodeCordoned:
		changeLifecycle(rows, rec, e.NodeCordoned.NodeId, controlv1.PeerLifecycle_PEER_LIFECYCLE_CORDONED, e.NodeCordoned.Window)
	case *eventsv1.Event_NodeUncordoned:
		changeLifecycle(rows, rec, e.NodeUncordoned.NodeId, controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE, "")
	case *eventsv1.Event_NodeDrainStarted:
		drain := &controlv1.PeerDrain{StartedAt: timestamp(rec.Time), Deadline: timestamp(e.NodeDrainStarted.DeadlineMs * int64(time.Millisecond))}
		changePeer(rows, rec, e.NodeDrainStarted.NodeId, func(p *controlv1.Peer) {
			p.Lifecycle, p.Maintenance, p.Drain = controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINING, e.NodeDrainStarted.Window, drain
		})
	case *eventsv1.Event_NodeDrainCancelled:
		changeLifecycle(rows, rec, e.NodeDrainCancelled.NodeId, controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE, "")
	case *eventsv1.Event_NodeDrained:
		changePeer(rows, rec, e.NodeDrained.NodeId, func(p *controlv1.Peer) {
			p.Lifecycle, p.Drain = controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINED, nil
		})
	case *eventsv1.Event_NodeDrainStalled:
		changePeer(rows, rec, e.NodeDrainStalled.NodeId, func(p *controlv1.Peer) {
			if p.Drain != nil {
				p.Drain.StalledAt = timestamp(rec.Time)
			}
		})
	case *eventsv1.Event_ServerLost:
		changePeer(rows, rec, e.ServerLost.NodeId, func(p *controlv1.Peer) { p.Status = lostStatus(e.ServerLost.Cause) })
	case *eventsv1.Event_ServerReturned:
		changePeer(rows, rec, e.ServerReturned.NodeId, func(p *controlv1.Peer) { p.Status = controlv1.PeerStatus_PEER_STATUS_ALIVE })
	case *eventsv1.Event_SessionOpened:
		changePeer(rows, rec, e.SessionOpened.NodeId, func(p *controlv1.Peer) {
			p.SessionId, p.Status = int64(rec.Position), controlv1.PeerStatus_PEER_STATUS_ALIVE
		})
	case *eventsv1.Event_SessionClosing:
		changePeer(rows, rec, e.SessionClosing.NodeId, func(p *controlv1.Peer) {
			if p.SessionId == int64(e.SessionClosing.Session) {
				p.Status = controlv1.PeerStatus_PEER_STATUS_SUSPECT
			}
		})
	case *eventsv1.Event_SessionClosed:
		changePeer(rows, rec, e.SessionClosed.NodeId, func(p *controlv1.Peer) { sessionClosed(p, e.SessionClosed) })
	}
}

// changeLifecycle ends a drain, whatever the lifecycle is now.
func changeLifecycle(rows *projections.Rows, rec events.Recorded, id string, to controlv1.PeerLifecycle, window string) {
	changePeer(rows, rec, id, func(p *controlv1.Peer) { p.Lifecycle, p.Maintenance, p.Drain = to, window, nil })
}

func changePeer(rows *projections.Rows, rec events.Recorded, id string, fn func(*controlv1.Peer)) {
	projections.Update(rows, PeerCodec(), nameKey(id), func(old *controlv1.Peer) *controlv1.Peer {
		p := &controlv1.Peer{NodeId: id, Lifecycle: controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE}
		if old != nil {
			p = proto.CloneOf(old)
		}
		fn(p)
		p.Version++
		p.UpdatedAt = timestamp(rec.Time)
		countPeer(rows, old, -1)
		countPeer(rows, p, 1)
		rows.Touch(counterChanged)
		return p
	})
}

// countPeer counts peers by status.
func countPeer(rows *projections.Rows, p *controlv1.Peer, by int64) {
	if p != nil {
		rows.Count(statusCounter(p.Status), by)
	}
}

func describe(p *controlv1.Peer, d *eventsv1.NodeDescriptor) {
	p.Role, p.ClusterId, p.Region, p.Zone = d.GetRole(), d.GetClusterId(), d.GetRegion(), d.GetZone()
	p.Weight, p.MeshVersion, p.Http3Support = d.GetWeight(), d.GetMeshVersion(), d.GetHttp3Support()
	p.Labels = maps.Clone(d.GetLabels())
}

// sessionClosed says what became of a node whose present session was closed. A
// restart opens the next one in the same decision, so the node stays alive.
func sessionClosed(p *controlv1.Peer, e *eventsv1.SessionClosed) {
	if p.SessionId != int64(e.Session) {
		return
	}
	p.SessionId = 0
	if p.Status == controlv1.PeerStatus_PEER_STATUS_LEFT {
		return
	}
	switch e.Cause {
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT:
		p.Status = controlv1.PeerStatus_PEER_STATUS_LEFT
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED:
	default:
		p.Status = controlv1.PeerStatus_PEER_STATUS_FAILED
	}
}

// lostStatus is what a server is shown as that does not take part.
func lostStatus(cause eventsv1.ServerLossCause) controlv1.PeerStatus {
	if cause == eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_STOPPED {
		return controlv1.PeerStatus_PEER_STATUS_LEFT
	}
	return controlv1.PeerStatus_PEER_STATUS_FAILED
}

// Apply implements [projections.Table].
func (Leaders) Apply(rows *projections.Rows, rec events.Recorded) {
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_LeadershipGranted:
		grant(rows, rec, e.LeadershipGranted)
	case *eventsv1.Event_LeadershipResigned:
		vacate(rows, nameKey(e.LeadershipResigned.Scope))
	case *eventsv1.Event_LeadershipExpired:
		vacate(rows, nameKey(e.LeadershipExpired.Scope))
	case *eventsv1.Event_SessionClosed:
		for _, pk := range rows.IndexKeys(sessionKey(e.SessionClosed.Session)) {
			vacate(rows, pk)
		}
	}
}

func grant(rows *projections.Rows, rec events.Recorded, e *eventsv1.LeadershipGranted) {
	pk := nameKey(e.Scope)
	projections.Update(rows, LeaderCodec(), pk, func(old *controlv1.LeadershipToken) *controlv1.LeadershipToken {
		unindex(rows, uint64(old.GetSessionId()), pk)
		index(rows, e.Session, pk)
		rows.Touch(counterChanged)
		term := int64(rec.Position)
		return &controlv1.LeadershipToken{
			Scope: e.Scope, ScopeKind: scopeKind(e.Scope), LeaderId: e.NodeId, SessionId: int64(e.Session),
			Term: term, FenceToken: term, Version: term, IssuedAt: timestamp(rec.Time), Labels: maps.Clone(e.Labels),
		}
	})
}

func vacate(rows *projections.Rows, pk kv.Key) {
	projections.Update(rows, LeaderCodec(), pk, func(old *controlv1.LeadershipToken) *controlv1.LeadershipToken {
		if old != nil {
			unindex(rows, uint64(old.SessionId), pk)
			rows.Touch(counterChanged)
		}
		return nil
	})
}

// index notes that a session holds a row. Session 0 is no session: the control
// leader proves itself by the authority stream.
func index(rows *projections.Rows, session uint64, pk kv.Key) {
	if session != 0 {
		rows.IndexPut(append(sessionKey(session), pk...))
	}
}

func unindex(rows *projections.Rows, session uint64, pk kv.Key) {
	if session != 0 {
		rows.IndexDelete(append(sessionKey(session), pk...))
	}
}

// scopeKind is "global-control", "shard" or "custom".
func scopeKind(scope string) string {
	switch {
	case scope == events.GlobalScope:
		return "global-control"
	case strings.HasPrefix(scope, "shard/"):
		return "shard"
	}
	return "custom"
}

// Apply implements [projections.Table].
func (Candidates) Apply(rows *projections.Rows, rec events.Recorded) {
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_CandidacyDeclared:
		d := e.CandidacyDeclared
		pk := candidateKey(d.Scope, d.Session)
		projections.Update(rows, candidateCodec(), pk, func(*eventsv1.CandidacyDeclared) *eventsv1.CandidacyDeclared {
			index(rows, d.Session, pk)
			return d
		})
	case *eventsv1.Event_CandidacyWithdrawn:
		withdraw(rows, e.CandidacyWithdrawn.Session, candidateKey(e.CandidacyWithdrawn.Scope, e.CandidacyWithdrawn.Session))
	case *eventsv1.Event_LeadershipGranted:
		withdraw(rows, e.LeadershipGranted.Session, candidateKey(e.LeadershipGranted.Scope, e.LeadershipGranted.Session))
	case *eventsv1.Event_SessionClosed:
		for _, pk := range rows.IndexKeys(sessionKey(e.SessionClosed.Session)) {
			withdraw(rows, e.SessionClosed.Session, pk)
		}
	}
}

func candidateKey(scope string, session uint64) kv.Key { return nameKey(scope).Uint64(session) }

func withdraw(rows *projections.Rows, session uint64, pk kv.Key) {
	projections.Update(rows, candidateCodec(), pk, func(old *eventsv1.CandidacyDeclared) *eventsv1.CandidacyDeclared {
		if old != nil {
			unindex(rows, session, pk)
		}
		return nil
	})
}

// Apply implements [projections.Table].
func (Namespaces) Apply(rows *projections.Rows, rec events.Recorded) {
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_NamespaceCreated:
		c := e.NamespaceCreated
		changeNamespace(rows, rec, c.Namespace, true, func(n *controlv1.Namespace) {
			n.Version = max(0, int64(c.GetVersion())-1) // raised as by every event
			specify(n, c.GetSpec())
			n.Status, n.CreatedAt = controlv1.NamespaceStatus_NAMESPACE_STATUS_ACTIVE, timestamp(rec.Time)
		})
	case *eventsv1.Event_NamespaceUpdated:
		changeNamespace(rows, rec, e.NamespaceUpdated.Namespace, false, func(n *controlv1.Namespace) { specify(n, e.NamespaceUpdated.GetSpec()) })
	case *eventsv1.Event_NamespaceDeleting:
		changeNamespace(rows, rec, e.NamespaceDeleting.Namespace, false, func(n *controlv1.Namespace) {
			n.Status = controlv1.NamespaceStatus_NAMESPACE_STATUS_DELETING
		})
	case *eventsv1.Event_NamespaceDeleted:
		projections.Update(rows, NamespaceCodec(), nameKey(e.NamespaceDeleted.Namespace), func(old *controlv1.Namespace) *controlv1.Namespace {
			if old != nil {
				rows.Touch(counterChanged)
				rows.Count(counterTotal, -1)
			}
			return nil
		})
	}
}

func changeNamespace(rows *projections.Rows, rec events.Recorded, name string, create bool, fn func(*controlv1.Namespace)) {
	projections.Update(rows, NamespaceCodec(), nameKey(name), func(old *controlv1.Namespace) *controlv1.Namespace {
		n := &controlv1.Namespace{Namespace: name}
		switch {
		case old != nil:
			n = proto.CloneOf(old)
		case create:
			rows.Count(counterTotal, 1)
		default:
			return nil
		}
		fn(n)
		n.Version++
		n.UpdatedAt = timestamp(rec.Time)
		rows.Touch(counterChanged)
		return n
	})
}

func specify(n *controlv1.Namespace, s *eventsv1.NamespaceSpec) {
	n.ShardCount, n.StrategyId, n.EligibleRole = int32(s.GetShardCount()), s.GetStrategyId(), s.GetEligibleRole()
	n.Ownership = controlv1.OwnershipMode(s.GetOwnership())
	n.OwnershipTtlMs, n.CapacityHint = int64(s.GetOwnershipTtlMs()), s.GetCapacityHint()
	n.Overlap = s.GetOverlap()
	n.Rules, n.Readers, n.LoadBound = rulesOf(s.GetRules()), int32(s.GetReaders()), float64(s.GetLoadBoundPermille())/1000
}

// rulesOf shows rules as users write them.
func rulesOf(r *eventsv1.PlacementRules) *controlv1.PlacementRules {
	if r == nil {
		return nil
	}
	out := &controlv1.PlacementRules{
		Require: selectors(r.Require), MaxPerNode: int32(r.MaxPerNode), CapacityLabel: r.CapacityLabel,
		Spread: r.Spread, MaxSkew: int32(r.MaxSkew), Separate: r.Separate,
	}
	for _, p := range r.Pins {
		out.Pins = append(out.Pins, &controlv1.PlacementPin{Shards: events.FormatShards(p.Shards), Nodes: p.Nodes, Require: selectors(p.Require)})
	}
	for _, p := range r.Prefer {
		out.Prefer = append(out.Prefer, p.Key+"="+p.Value)
	}
	return out
}

func selectors(in []*eventsv1.NodeSelector) []string {
	var out []string
	for _, s := range in {
		out = append(out, placement.Selector{Key: s.Key, Not: s.Not, Values: s.Values}.String())
	}
	return out
}

// Apply implements [projections.Table].
func (Policies) Apply(rows *projections.Rows, rec events.Recorded) {
	switch k := rec.Event.GetKind().(type) {
	case *eventsv1.Event_PolicySet:
		e := k.PolicySet
		projections.Update(rows, policyCodec(), policyKey(e.Kind, e.Name), func(*eventsv1.PolicySet) *eventsv1.PolicySet { return e })
	case *eventsv1.Event_PolicyRemoved:
		e := k.PolicyRemoved
		projections.Update(rows, policyCodec(), policyKey(e.Kind, e.Name), func(*eventsv1.PolicySet) *eventsv1.PolicySet { return nil })
	}
}

func policyKey(kind, name string) kv.Key { return nameKey(kind).String(name) }

// Apply implements [projections.Table].
func (Eras) Apply(rows *projections.Rows, rec events.Recorded) {
	if e := rec.Event.GetEraStarted(); e != nil {
		projections.Update(rows, eraCodec(), kv.Key{}.Uint64(e.Era), func(*eventsv1.EraStarted) *eventsv1.EraStarted { return e })
	}
}

// Apply implements [projections.Table].
func (LogStates) Apply(rows *projections.Rows, rec events.Recorded) {
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_EraStarted:
		// A seal ends with its era.
		changeLogState(rows, func(s *controlv1.LogState) { s.Sealed, s.Settling = 0, e.EraStarted.RestoredPosition > 0 })
	case *eventsv1.Event_EraSettled:
		changeLogState(rows, func(s *controlv1.LogState) { s.Settling = false })
	case *eventsv1.Event_LogSealed:
		changeLogState(rows, func(s *controlv1.LogState) { s.Sealed = int64(rec.Position) })
	case *eventsv1.Event_LogResumed:
		changeLogState(rows, func(s *controlv1.LogState) { s.Sealed = 0 })
	}
}

func changeLogState(rows *projections.Rows, fn func(*controlv1.LogState)) {
	projections.Update(rows, logStateCodec(), logStateKey(), func(old *controlv1.LogState) *controlv1.LogState {
		s := &controlv1.LogState{}
		if old != nil {
			s = proto.CloneOf(old)
		}
		fn(s)
		return s
	})
}

func logStateKey() kv.Key { return nameKey("log") }

// Apply implements [projections.Table].
func (Schedules) Apply(rows *projections.Rows, rec events.Recorded) {
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_ScheduleCreated:
		changeSchedule(rows, rec, e.ScheduleCreated.Name, func(*controlv1.Schedule) *controlv1.Schedule { return newSchedule(rec, e.ScheduleCreated) })
	case *eventsv1.Event_ScheduleRemoved:
		changeSchedule(rows, rec, e.ScheduleRemoved.Name, func(*controlv1.Schedule) *controlv1.Schedule { return nil })
	case *eventsv1.Event_ScheduleFired:
		changeSchedule(rows, rec, e.ScheduleFired.Name, func(s *controlv1.Schedule) *controlv1.Schedule { return fire(s, rec, e.ScheduleFired) })
	case *eventsv1.Event_SchedulePaused:
		changeSchedule(rows, rec, e.SchedulePaused.Name, func(s *controlv1.Schedule) *controlv1.Schedule {
			return due(s, controlv1.ScheduleStatus_SCHEDULE_STATUS_PAUSED, 0)
		})
	case *eventsv1.Event_ScheduleResumed:
		changeSchedule(rows, rec, e.ScheduleResumed.Name, func(s *controlv1.Schedule) *controlv1.Schedule {
			return due(s, controlv1.ScheduleStatus_SCHEDULE_STATUS_ACTIVE, e.ScheduleResumed.NextMs)
		})
	}
}
