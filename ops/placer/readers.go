package placer

import (
	"cmp"
	"maps"
	"slices"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

func (n Node) equal(o Node) bool {
	return n.ID == o.ID && n.Weight == o.Weight && n.Region == o.Region && n.Zone == o.Zone &&
		n.Session == o.Session && maps.Equal(n.Labels, o.Labels)
}

// constrain puts the namespace's rules and load bound on its question.
func constrain(in *placement.Input, spec shard.Spec) error {
	if spec.Rules != nil {
		if err := in.Constrain(*spec.Rules); err != nil {
			return err
		}
	}
	return in.Bound(int(spec.LoadBound))
}

// standOnReaders lets shards that nobody owns, or is known to have owned, count as
// on one of their readers, which has their data: on the one with the lowest load
// per weight so far, so that few have to go on from there for balance.
func standOnReaders(ns *shard.Namespace, in *placement.Input, orphans []uint32, load []int) {
	for _, id := range orphans {
		best := placement.NoOwner
		ns.Shard(id).Readers.Each(func(node string, _ events.Position) {
			i := in.Index(node)
			if i != placement.NoOwner && (best == placement.NoOwner ||
				int64(load[i])*int64(in.Nodes()[best].Weight) < int64(load[best])*int64(in.Nodes()[i].Weight)) {
				best = i
			}
		})
		if best != placement.NoOwner {
			in.Own(int(id), 1, best)
			load[best]++
		}
	}
}

// readers returns the commands that give every shard its readers; in is the
// question that was asked for owners.
func readers(ns *shard.Namespace, nodes []Node, in *placement.Input) []commands.Command {
	n := int(ns.Spec.Readers)
	if n == 0 && !ns.Read() {
		return nil
	}
	writer := make([]int32, ns.Len())
	has := slices.Repeat([]int32{placement.NoOwner}, n*len(writer))
	settled := make([]bool, len(writer))
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		writer[id] = in.Index(sh.Owner)
		settled[id] = sh.Owner != "" && sh.MoveTo == "" && !sh.Paused
		at := int(id) * n
		sh.Readers.Each(func(node string, _ events.Position) {
			if i := in.Index(node); i != placement.NoOwner && at < int(id+1)*n {
				has[at] = i
				at++
			}
		})
		return true
	})
	reads := placement.Readers(in, n, writer, has, func(s int) bool { return settled[s] })
	return readerCommands(ns, nodes, in, func(id uint32) []int32 { return reads[int(id)*n : int(id+1)*n] })
}

// readerCommands are the difference between who reads and who should, shard by
// shard, so that one decision has both halves of a change.
func readerCommands(ns *shard.Namespace, nodes []Node, in *placement.Input, should func(uint32) []int32) []commands.Command {
	sessions := make(map[string]events.Position, len(nodes))
	for _, n := range nodes {
		sessions[n.ID] = n.Session
	}
	b := readerBatch{name: ns.Name}
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		wanted := map[string]bool{}
		for _, i := range should(id) {
			if i != placement.NoOwner {
				wanted[in.Nodes()[i].ID] = true
			}
		}
		b.room(sh.Readers.Len() + len(wanted))
		sh.Readers.Each(func(node string, session events.Position) {
			if !wanted[node] {
				b.add(&b.release, node, session, id)
			}
			delete(wanted, node)
		})
		if !sh.Paused && !sh.Quarantined() {
			for _, node := range slices.Sorted(maps.Keys(wanted)) {
				b.add(&b.assign, node, sessions[node], id)
			}
		}
		return true
	})
	b.flush()
	return b.out
}

type holder struct {
	node    string
	session events.Position
}

// readerBatch cuts changes into commands.
type readerBatch struct {
	name            string
	release, assign map[holder][]uint32
	count           int
	out             []commands.Command
}

func (b *readerBatch) add(to *map[holder][]uint32, node string, session events.Position, id uint32) {
	if *to == nil {
		*to = map[holder][]uint32{}
	}
	h := holder{node: node, session: session}
	(*to)[h] = append((*to)[h], id)
	b.count++
}

// room ends a command that the next shard might not fit into.
func (b *readerBatch) room(changes int) {
	if b.count+changes > events.MaxAssigned || len(b.release)+len(b.assign)+changes > maxRelocations {
		b.flush()
	}
}

func (b *readerBatch) flush() {
	if b.count > 0 {
		b.out = append(b.out, shard.PlaceReaders{Namespace: b.name, Release: targets(b.release), Assign: targets(b.assign)})
	}
	b.release, b.assign, b.count = nil, nil, 0
}

func targets(of map[holder][]uint32) []shard.Target {
	var out []shard.Target
	for h, ids := range of {
		out = append(out, shard.Target{NodeID: h.node, Session: h.session, Shards: ids})
	}
	slices.SortFunc(out, func(a, b shard.Target) int {
		return cmp.Or(cmp.Compare(a.NodeID, b.NodeID), cmp.Compare(a.Session, b.Session))
	})
	return out
}
