package compat

import (
	"time"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// modes records what becomes of ownerships of each mode when their session ends.
func (r *recorder) modes() {
	const expired = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
	names := []string{"ride", "fenced", "sticky"}
	for i, sp := range []shard.Spec{
		{ShardCount: 4, Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, OwnershipTTL: 30 * time.Second},
		{ShardCount: 4, Ownership: eventsv1.Ownership_OWNERSHIP_FENCED, OwnershipTTL: 20 * time.Second},
		{ShardCount: 4, Ownership: eventsv1.Ownership_OWNERSHIP_STICKY},
	} {
		r.do(shard.Create{Namespace: names[i], Spec: sp})
	}
	m1, m2 := r.open("m1", 1), r.open("m2", 1)
	for _, name := range names {
		r.do(shard.Assign{Namespace: name, Targets: []shard.Target{{NodeID: "m1", Session: m1, Shards: []uint32{0, 1}}, {NodeID: "m2", Session: m2, Shards: []uint32{2}}}})
	}
	r.do(membership.CloseSession{NodeID: "m1", Session: m1, Cause: expired})
	for _, name := range names {
		r.do(shard.Move{Namespace: name, Shards: []uint32{1}, To: "m2", Force: true})
	}
	again := r.open("m1", 1)
	for _, name := range names {
		r.do(shard.Rebind{Namespace: name, NodeID: "m1", From: m1, Session: again, Shards: []uint32{0}})
	}
	r.do(shard.ExpireOwnership{NodeID: "m1", Session: m1, Namespaces: []string{"ride"}})
	r.do(shard.Move{Namespace: "sticky", Shards: []uint32{2}, To: "m1", Force: true})
	r.do(membership.CloseSession{NodeID: "m2", Session: m2, Cause: expired})
}
