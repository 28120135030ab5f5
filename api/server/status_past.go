package server

import (
	"cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// statusPast is what the log knows of a past: who led, which servers there were
// and how many rows of each kind, counted one by one, for the counters know the
// present alone. A server's hash of the head is not kept, and its lag was never
// on the log. Ready means that someone led.
func (s *Server) statusPast(r *reading) (*controlv1.MeshStatus, error) {
	answer := &controlv1.MeshStatus{
		ClusterId: s.deps.ClusterID, Log: s.nameOf(r.View), Position: int64(r.position()),
		Shards: &controlv1.ShardCounts{}, Peers: &controlv1.PeerCounts{},
	}
	if r.empty {
		return answer, nil
	}
	token, led, err := registry.Leader(r.View, events.GlobalScope, r.at)
	if err != nil {
		return nil, err
	}
	if led {
		answer.Leader, answer.Ready = token.LeaderId, true
	}
	if answer.LogState, err = registry.LogState(r.View, r.at); err != nil {
		return nil, err
	}
	shards, err := shardmap.CountAt(r.View, "", r.at)
	if err != nil {
		return nil, err
	}
	answer.Shards = &controlv1.ShardCounts{Total: shards.Total, Unowned: shards.Unowned, Moving: shards.Moving, Quarantined: shards.Quarantined}
	return answer, cmp.Or(countNamespaces(r, answer), countPeers(r, answer))
}

func countNamespaces(r *reading, answer *controlv1.MeshStatus) error {
	return registry.EachNamespace(r.View, "", r.at, func(*controlv1.Namespace) bool {
		answer.Namespaces++
		return true
	})
}

// countPeers counts the peers by status and lists the servers among them.
func countPeers(r *reading, answer *controlv1.MeshStatus) error {
	return registry.EachPeer(r.View, "", r.at, func(p *controlv1.Peer) bool {
		switch p.Status {
		case controlv1.PeerStatus_PEER_STATUS_ALIVE:
			answer.Peers.Alive++
		case controlv1.PeerStatus_PEER_STATUS_SUSPECT:
			answer.Peers.Suspect++
		case controlv1.PeerStatus_PEER_STATUS_FAILED:
			answer.Peers.Failed++
		}
		if p.Role == membership.ServerRole {
			answer.Servers = append(answer.Servers, serverPast(p, answer))
		}
		return true
	})
}

func serverPast(p *controlv1.Peer, answer *controlv1.MeshStatus) *controlv1.ServerStatus {
	role := "standby"
	if p.NodeId == answer.Leader {
		role = "leader"
	}
	return &controlv1.ServerStatus{
		Name: p.NodeId, Role: role, Ready: p.Status == controlv1.PeerStatus_PEER_STATUS_ALIVE, Position: answer.Position,
		MeshVersion: p.MeshVersion,
	}
}
