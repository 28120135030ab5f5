package sim

import (
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/ops/drainer"
)

// drained checks A7: on the log the node owns and leads nothing, and the process
// whose session lives runs nothing.
func (c *checker) drained(node string) {
	if c.closed[node] != "draining" {
		c.w.fail("A7: %s is drained, it was %q", node, c.closed[node])
	}
	c.closed[node] = "drained"
	c.w.did["drained"]++
	for ref, o := range c.owners {
		if o.node == node {
			c.w.fail("A7: %s is drained and owns %s/%d", node, ref.Namespace, ref.Shard)
		}
	}
	c.replica.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		if n := ns.Reading(node); n > 0 {
			c.w.fail("A7: %s is drained and reads %d shards of %s", node, n, ns.Name)
		}
		return true
	})
	sc := c.replica.Leadership
	for scope := range c.holders {
		if s, ok := sc.Scope(scope); ok && s.Holder == node {
			c.w.fail("A7: %s is drained and leads %s", node, scope)
		}
	}
	session := c.sessions[node]
	for _, p := range c.w.members {
		if session != 0 && p.name == node && p.alive && uint64(p.core.Session()) == session && len(p.running) > 0 {
			c.w.fail("A7: %s is drained and runs %v", node, p.running)
		}
	}
}

// drainsAtRest checks that a drain which nothing blocks has come to its end, and
// that no window that is over holds a node.
func (c *checker) drainsAtRest(leader *server) {
	v, now := leader.core.View(), leader.clock().Wall
	v.Model.Membership.EachNode(func(n membership.Node) bool {
		if n.Lifecycle == membership.Draining {
			p := drainer.Look(v.Model, n, leader.relay.Keeper, now)
			if len(p.Blockers) == 0 {
				c.w.fail("the drain of %s is not done at rest, and nothing blocks it: %+v", n.NodeID, p)
			}
		}
		return true
	})
	if due := v.Model.MaintenanceDue(now); len(due) > 0 {
		c.w.fail("at rest %v are not what the maintenance windows want", due)
	}
	v.Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			if sh.Moving() && c.closed[sh.MoveTo] != "" {
				c.w.fail("at rest %s/%d moves to %s, which is %s", ns.Name, id, sh.MoveTo, c.closed[sh.MoveTo])
			}
			return true
		})
		return true
	})
}
