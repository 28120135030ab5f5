package placer

import (
	"cmp"
	"slices"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// How many moves of drains are under way at once: of one node, and of all. The
// second is also within the groups that one decision holds.
const (
	DrainPerNode = 100
	DrainTotal   = maxRelocations
)

// leaver is a node that is being drained.
type leaver struct {
	id      string
	session events.Position
	since   int64 // log time
}

// leaving are the nodes that are being drained, and the moves that each may begin.
// It is of one step; nil has no nodes.
type leaving struct {
	nodes []leaver // in the order of ids
	room  []int
	total int
}

// leavers are the nodes that are being drained; nil when there are none.
func leavers(m *model.Model) *leaving {
	l := &leaving{total: DrainTotal}
	m.Membership.EachNode(func(n membership.Node) bool {
		if n.Lifecycle == membership.Draining {
			l.nodes = append(l.nodes, leaver{n.NodeID, n.Session, n.DrainStarted})
			l.room = append(l.room, DrainPerNode)
		}
		return true
	})
	if len(l.nodes) == 0 {
		return nil
	}
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		if ns.Moving() == 0 || !slices.ContainsFunc(l.nodes, func(n leaver) bool { return ns.Owned(n.id) > 0 }) {
			return true
		}
		ns.Each(func(_ uint32, sh *shard.Shard) bool {
			if moved(sh) {
				l.take(sh.Owner)
			}
			return true
		})
		return true
	})
	return l
}

func (l *leaving) all() []leaver {
	if l == nil {
		return nil
	}
	return l.nodes
}

func (l *leaving) find(id string) (int, bool) {
	if l == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(l.nodes, id, func(n leaver, id string) int { return cmp.Compare(n.id, id) })
}

// gives reports whether a shard leaves its owner because that is being drained. One
// whose owner is silent cannot be handed over, and one that rests is left alone.
func (l *leaving) gives(sh *shard.Shard, logTime int64) bool {
	i, ok := l.find(sh.Owner)
	if !ok || sh.Paused || sh.Session != l.nodes[i].session {
		return false
	}
	return !sh.Rests(logTime, l.nodes[i].since)
}

// moved reports whether a shard is on its way because of a drain. If its owner
// may be given shards again, the drain was cancelled and the move is about to be
// taken back: the shard counts where it is, or others would be moved in its place.
func moved(sh *shard.Shard) bool {
	return sh.Moving() && sh.MoveCause == eventsv1.ShardCause_SHARD_CAUSE_DRAIN
}

// take uses the room of one move of a node, and reports whether there was any.
func (l *leaving) take(id string) bool {
	i, ok := l.find(id)
	if !ok || l.room[i] <= 0 || l.total <= 0 {
		return false
	}
	l.room[i]--
	l.total--
	return true
}

// moves are those that a result asks for of nodes that are being drained, as far as
// there is room. All are in one command: there are at most DrainTotal.
func (l *leaving) moves(ns *shard.Namespace, r placement.Result, logTime int64) (cmds []commands.Command, waits bool) {
	if !slices.ContainsFunc(l.all(), func(n leaver) bool { return ns.Owned(n.id) > 0 }) {
		return nil, false
	}
	type way struct{ from, to string }
	groups := map[way][]uint32{}
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		to := r.Owner[id]
		if to == placement.NoOwner || sh.MoveTo != "" || !l.gives(sh, logTime) {
			return true
		}
		if !l.take(sh.Owner) {
			waits = true
			return true
		}
		w := way{sh.Owner, r.Nodes[to].ID}
		groups[w] = append(groups[w], id)
		return true
	})
	if len(groups) == 0 {
		return nil, waits
	}
	c := shard.Rebalance{Namespace: ns.Name, Drain: true}
	for w, ids := range groups {
		c.Moves = append(c.Moves, shard.Relocation{From: w.from, To: w.to, Shards: ids})
	}
	slices.SortFunc(c.Moves, func(a, b shard.Relocation) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return []commands.Command{c}, waits
}

// readings takes from the nodes that are being drained what they read, where there
// is no placement that would give it to others: nobody loses by that but readers.
func (l *leaving) readings(ns *shard.Namespace) []commands.Command {
	if l == nil || !ns.Read() {
		return nil
	}
	b := readerBatch{name: ns.Name}
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		b.room(sh.Readers.Len())
		sh.Readers.Each(func(node string, session events.Position) {
			if _, leaves := l.find(node); leaves {
				b.add(&b.release, node, session, id)
			}
		})
		return true
	})
	b.flush()
	return b.out
}
