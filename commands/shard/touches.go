package shard

import (
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Touches is how many shards an event changes: how much work it is to evolve,
// here and in every table, however few bytes say it.
func (s *State) Touches(e *eventsv1.Event) int {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_NamespaceCreated:
		return int(k.NamespaceCreated.GetSpec().GetShardCount())
	case *eventsv1.Event_NamespaceUpdated:
		return int(k.NamespaceUpdated.GetSpec().GetShardCount())
	case *eventsv1.Event_NamespaceDeleting:
		return s.size(k.NamespaceDeleting.GetNamespace())
	case *eventsv1.Event_NamespaceDeleted:
		return s.size(k.NamespaceDeleted.GetNamespace())
	case *eventsv1.Event_SessionClosed:
		return s.heldBy(k.SessionClosed.GetNodeId())
	case *eventsv1.Event_OwnershipExpired:
		return s.ownedIn(k.OwnershipExpired.GetNodeId(), k.OwnershipExpired.GetNamespaces())
	case *eventsv1.Event_ShardsAssigned:
		return named(k.ShardsAssigned.GetAssignments()...)
	case *eventsv1.Event_ShardsReleased:
		return named(k.ShardsReleased.GetReleases()...)
	case *eventsv1.Event_ShardMoveStarted:
		return named(k.ShardMoveStarted.GetMoves()...)
	case *eventsv1.Event_ShardMoveReleasing:
		return named(k.ShardMoveReleasing.GetMoves()...)
	case *eventsv1.Event_ShardsHandedOver:
		return named(k.ShardsHandedOver.GetHandovers()...)
	case *eventsv1.Event_ShardMoveFailed:
		return named(k.ShardMoveFailed)
	case *eventsv1.Event_ShardMoveCancelled:
		return named(k.ShardMoveCancelled)
	case *eventsv1.Event_ShardsPaused:
		return named(k.ShardsPaused)
	case *eventsv1.Event_ShardsResumed:
		return named(k.ShardsResumed)
	case *eventsv1.Event_ShardsQuarantined:
		return named(k.ShardsQuarantined)
	case *eventsv1.Event_ShardsUnquarantined:
		return named(k.ShardsUnquarantined)
	case *eventsv1.Event_ReadersAssigned:
		return named(k.ReadersAssigned.GetAssignments()...)
	case *eventsv1.Event_ReadersReleased:
		return named(k.ReadersReleased.GetReleases()...)
	}
	return 0
}

// named counts the shards that are named in parts of an event.
func named[T interface{ GetShards() *eventsv1.ShardSet }](parts ...T) int {
	n := 0
	for _, p := range parts {
		n += events.CountShards(p.GetShards())
	}
	return n
}

func (s *State) size(name string) int {
	if ns, ok := s.namespaces.Get(name); ok {
		return int(ns.Len())
	}
	return 0
}

func (s *State) heldBy(node string) int {
	n := 0
	s.EachNamespace(func(ns *Namespace) bool {
		n += ns.Owned(node) + ns.Reading(node)
		return true
	})
	return n
}

func (s *State) ownedIn(node string, namespaces []string) int {
	n := 0
	for _, name := range namespaces {
		if ns, ok := s.namespaces.Get(name); ok {
			n += ns.Owned(node)
		}
	}
	return n
}
