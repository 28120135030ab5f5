package sim

import (
	"slices"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// readerEvent checks that who is given a shard to read has that session, takes new
// things (S3), and does not own it, and that nobody reads what is out of service.
func (c *checker) readerEvent(r events.Recorded) {
	e := r.Event.GetReadersAssigned()
	if e == nil {
		return
	}
	for _, a := range e.Assignments {
		if c.sessions[a.NodeId] != a.Session || c.closing[a.Session] || c.closed[a.NodeId] != "" {
			c.w.fail("S3: %s is given shards to read at %d by session %d, the live one is %d, it is %q", a.NodeId, r.Position, a.Session, c.sessions[a.NodeId], c.closed[a.NodeId])
		}
		events.EachShard(a.Shards, func(id uint32) {
			ref := member.Ref{Namespace: e.Namespace, Shard: id}
			if c.owners[ref].node == a.NodeId || c.out[ref] {
				c.w.fail("%s reads %s/%d from %d, which %q owns, quarantined %t", a.NodeId, e.Namespace, id, r.Position, c.owners[ref].node, c.out[ref])
			}
			c.w.did["readers"]++
		})
	}
}

// readersAtRest checks that a shard which stays where it is has as many readers as
// its namespace gives, or as there are nodes, each by a live session of a node that
// takes new things.
func (c *checker) readersAtRest(leader *server) {
	m := leader.core.View().Model
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		var able []string
		for _, p := range c.w.members {
			if m.Assignable(p.name, ns.Spec.EligibleRole) == nil {
				able = append(able, p.name)
			}
		}
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			for _, node := range sh.Readers.Nodes() {
				if c.closed[node] == "cordoned" && len(able) == 0 {
					continue // nobody could read in its place
				}
				if !slices.Contains(able, node) || uint64(sh.Readers.Session(node)) != c.sessions[node] {
					c.w.fail("at rest %s reads %s/%d by session %d, its live one is %d, able to are %v", node, ns.Name, id, sh.Readers.Session(node), c.sessions[node], able)
				}
			}
			if sh.Owner == "" || sh.MoveTo != "" || sh.Paused || sh.Quarantined() || len(able) == 0 {
				return true
			}
			others := len(able)
			if slices.Contains(able, sh.Owner) {
				others--
			}
			if want := min(int(ns.Spec.Readers), others); sh.Readers.Len() != want {
				c.w.fail("at rest %s/%d is read by %v, want %d of %v", ns.Name, id, sh.Readers.Nodes(), want, able)
			}
			return true
		})
		return true
	})
}
