package model_test

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func (d draw) namespace() commands.Command {
	name := d.existing()
	switch d.int(8) {
	case 0, 1:
		name = d.name()
		// Above and below the size of a page of shards.
		return shard.Create{Namespace: name, Spec: d.mode(shard.Spec{ShardCount: uint32([]int{1, 5, 140}[d.int(3)]), Readers: uint32(d.int(4))})}
	case 2:
		count := uint32(d.int(160))
		return shard.Update{Namespace: name, ShardCount: &count}
	case 3:
		strategy := placement.Names()[d.int(3)]
		hint := float64(d.int(2))
		overlap := d.int(2) == 0
		return shard.Update{Namespace: name, Strategy: &strategy, CapacityHint: &hint, Overlap: &overlap}
	case 4:
		if ns, ok := d.m.Shard.Namespace(name); ok && ns.Deleting {
			return shard.FinishDelete{Namespace: name}
		}
		return shard.Delete{Namespace: name}
	case 5:
		return shard.Pause{Namespace: name, Shards: d.shards(name, anyShard)}
	}
	return shard.Resume{Namespace: name, Shards: d.shards(name, func(sh *shard.Shard) bool { return sh.Paused })}
}

// mode is how a namespace is owned, half of them by a plain lease.
func (d draw) mode(sp shard.Spec) shard.Spec {
	if d.int(2) == 0 {
		return sp
	}
	sp.Ownership = eventsv1.Ownership(1 + d.int(3))
	if sp.Ownership != eventsv1.Ownership_OWNERSHIP_STICKY {
		sp.OwnershipTTL = time.Duration(d.int(2)) * 10 * time.Second
	}
	return sp
}

func (d draw) draining(node string) bool {
	n, _ := d.m.Membership.Node(node)
	return n.Lifecycle == membership.Draining
}

func (d draw) target(ids []uint32) shard.Target {
	id := d.live()
	return shard.Target{NodeID: id, Session: d.session(id), Shards: ids}
}

func (d draw) ownership() commands.Command {
	name := d.existing()
	switch d.int(14) {
	case 12, 13:
		return d.readers(name)
	case 0, 1, 2, 10:
		return shard.Assign{Namespace: name, Targets: []shard.Target{d.target(d.shards(name, unowned))}}
	case 3:
		return shard.Move{Namespace: name, Shards: d.shards(name, func(sh *shard.Shard) bool { return !sh.Paused && !sh.Moving() }), To: d.live(), Force: d.int(3) == 0}
	case 4:
		from := d.owner(name)
		ids := d.shards(name, func(sh *shard.Shard) bool { return sh.Owner == from && ownedShard(sh) })
		return shard.Rebalance{Namespace: name, Moves: []shard.Relocation{{From: from, To: d.live(), Shards: ids}}, Drain: d.draining(from)}
	case 5:
		return shard.FailMoves{Namespace: name, Shards: d.shards(name, movingShard)}
	case 6:
		return shard.CancelMoves{Namespace: name, Shards: d.shards(name, movingShard), TargetLost: d.int(2) == 0, DrainOver: d.rarely()}
	}
	if d.int(3) == 0 {
		return d.askRelease(name)
	}
	return d.release(name)
}

// askRelease says that a target prepared, with fences of which some are stale.
func (d draw) askRelease(name string) commands.Command {
	c := shard.AskRelease{Namespace: name}
	n, ok := d.m.Shard.Namespace(name)
	for _, id := range d.shards(name, (*shard.Shard).Preparing) {
		p := shard.Prepared{Shard: id, Fence: 1}
		if ok && n.Shard(id) != nil && !d.rarely() {
			c.NodeID, p.Fence = n.Shard(id).MoveTo, n.Shard(id).Fence
		}
		c.Shards = append(c.Shards, p)
	}
	c.Session = d.session(c.NodeID)
	return c
}

// readers takes a reader from some shards, gives them another, or both.
func (d draw) readers(name string) commands.Command {
	c := shard.PlaceReaders{Namespace: name}
	node := d.live()
	reads := func(sh *shard.Shard) bool { return sh.Readers.Session(node) != 0 }
	if ids := d.shards(name, reads); d.int(2) == 0 && len(ids) > 0 {
		c.Release = []shard.Target{{NodeID: node, Session: d.session(node), Shards: ids}}
	}
	to := d.live()
	if ids := d.shards(name, func(sh *shard.Shard) bool {
		return sh.Owner != to && !sh.Paused && !sh.Quarantined() && sh.Readers.Session(to) == 0 && sh.Readers.Len() < 2
	}); len(ids) > 0 {
		c.Assign = []shard.Target{{NodeID: to, Session: d.session(to), Shards: ids}}
	}
	return c
}

// release gives up shards of a node, with fences of which some are stale.
func (d draw) release(name string) commands.Command {
	id := d.owner(name)
	r := shard.Release{Namespace: name, NodeID: id, Session: d.session(id)}
	ids := d.shards(name, func(sh *shard.Shard) bool { return sh.Owner == id })
	n, ok := d.m.Shard.Namespace(name)
	for _, shardID := range ids {
		fence := events.Position(1)
		if ok && n.Shard(shardID) != nil && !d.rarely() {
			fence = n.Shard(shardID).Fence
		}
		r.Shards = append(r.Shards, shard.Released{Shard: shardID, Fence: fence})
	}
	if d.int(2) == 0 {
		r.Else = []shard.Target{d.target(ids)}
	}
	return r
}
