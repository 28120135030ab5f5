package placement

import "container/heap"

// Readers says which nodes should read each shard: n of them, besides its writer
// and never on the writer's node. writer has, per shard, the node that writes it,
// or NoOwner; has the n readers of each shard now, NoOwner where there is none.
// Shards for which settled is false (they are moving, or nobody owns them) keep
// those of their readers that may stay, and get no others.
//
// Readers are on different nodes that satisfy Rules.Require; pins and capacities
// are about writers. Under Rules.Separate no two replicas share a value of that
// key; otherwise zones are shared only where there are too few. A reader stays
// where it may, unless its node has more than its share and another that would do
// as well has less, or it shares a zone that it need not. So nothing changes when
// asked again. The order of shards decides: this is a heuristic.
func Readers(in *Input, n int, writer, has []int32, settled func(shard int) bool) []int32 {
	r := newReaders(in, n, writer, has)
	for s := range writer {
		r.keep(s, has)
	}
	share := bestBalance(r.able, n*len(writer)).hi
	r.share = make([]int, len(in.nodes))
	for i, hi := range share {
		r.share[r.index[i]] = hi
	}
	for range maxRounds {
		changed := false
		for s := range writer {
			if settled(s) {
				changed = r.fill(s) || changed
			}
		}
		for s := range writer {
			if settled(s) {
				changed = r.improve(s) || changed
			}
		}
		if !changed {
			break
		}
	}
	return r.reads
}

// maxRounds bounds how often all shards are gone through. Each change leaves
// fewer domains shared or less beyond a share, so there is an end; two rounds are
// usual.
const maxRounds = 16

type readers struct {
	in     *Input
	n      int
	hard   bool // domains must differ
	able   []Node
	index  []int32 // of able among all nodes
	may    []bool  // per node
	domain []int32 // per node, of those that may read and of the others
	writer []int32
	reads  []int32 // n per shard
	load   []int
	share  []int
	heaps  []*ratioHeap // per domain, with an entry for each load that a node had
}

func newReaders(in *Input, n int, writer, has []int32) *readers {
	r := &readers{in: in, n: n, writer: writer, reads: make([]int32, len(has)),
		may: make([]bool, len(in.nodes)), domain: make([]int32, len(in.nodes)), load: make([]int, len(in.nodes))}
	rules := in.Rules()
	key := rules.Separate
	if r.hard = key != ""; !r.hard {
		key = KeyZone
	}
	names := map[string]int32{}
	for i := range in.nodes {
		node := &in.nodes[i]
		value := node.Value(key)
		d, seen := names[value]
		if !seen {
			d = int32(len(r.heaps))
			names[value] = d
			r.heaps = append(r.heaps, &ratioHeap{})
		}
		r.domain[i] = d
		r.may[i] = matchesAll(rules.Require, node) && (!r.hard || value != "")
		if !r.may[i] {
			continue
		}
		r.able, r.index = append(r.able, *node), append(r.index, int32(i))
		heap.Push(r.heaps[d], r.entry(int32(i)))
	}
	return r
}

func (r *readers) entry(n int32) entry {
	return entry{ratio{int64(r.load[n] + 1), int64(r.in.nodes[n].Weight)}, int(n)}
}

func (r *readers) of(s int) []int32 { return r.reads[s*r.n : (s+1)*r.n] }

func (r *readers) count(n int32, by int) {
	r.load[n] += by
	heap.Push(r.heaps[r.domain[n]], r.entry(n))
}

// keep takes over the readers of a shard that may stay.
func (r *readers) keep(s int, has []int32) {
	mine := r.of(s)
	for i := range mine {
		mine[i] = NoOwner
	}
	i := 0
	for _, n := range has[s*r.n : (s+1)*r.n] {
		if n == NoOwner || !r.may[n] || r.taken(s, n) || r.hard && r.shared(s, -1, r.domain[n]) {
			continue
		}
		mine[i] = n
		i++
		r.count(n, 1)
	}
}

// taken reports whether a replica of the shard is on the node.
func (r *readers) taken(s int, n int32) bool {
	if r.writer[s] == n {
		return true
	}
	for _, x := range r.of(s) {
		if x == n {
			return true
		}
	}
	return false
}

// shared reports whether a replica of the shard, but for reader except, is in the
// domain.
func (r *readers) shared(s, except int, domain int32) bool {
	if w := r.writer[s]; w != NoOwner && r.domain[w] == domain {
		return true
	}
	for i, x := range r.of(s) {
		if x != NoOwner && i != except && r.domain[x] == domain {
			return true
		}
	}
	return false
}

// improve gives a shard better readers for those that share a domain needlessly
// or burden their node beyond its share.
func (r *readers) improve(s int) (changed bool) {
	for i, n := range r.of(s) {
		if n == NoOwner {
			continue
		}
		shares, over := r.shared(s, i, r.domain[n]), r.load[n] > r.share[n]
		if !shares && !over {
			continue
		}
		better, fresh := r.best(s, i)
		room := better != NoOwner && r.load[better] < r.share[better]
		// Domains of their own are worth a burden.
		if better == NoOwner || !(shares && fresh) && !(room && over && (fresh || shares)) {
			continue
		}
		r.of(s)[i] = better
		r.count(n, -1)
		r.count(better, 1)
		changed = true
	}
	return changed
}

func (r *readers) fill(s int) (changed bool) {
	mine := r.of(s)
	for i := range mine {
		if mine[i] != NoOwner {
			continue
		}
		n, _ := r.best(s, i)
		if n == NoOwner {
			break
		}
		mine[i] = n
		r.count(n, 1)
		changed = true
	}
	return changed
}

// best is the node with the lowest load per weight that may read the shard in
// place of its reader i; one of a domain that no other replica is in (fresh)
// comes before any other.
func (r *readers) best(s, i int) (node int32, fresh bool) {
	var found entry
	node = NoOwner
	for d := range r.heaps {
		isFresh := !r.shared(s, i, int32(d))
		if !isFresh && (r.hard || fresh) {
			continue
		}
		e, ok := r.lightest(s, d)
		if !ok {
			continue
		}
		if node == NoOwner || isFresh && !fresh || e.less(found.ratio) || !found.less(e.ratio) && e.node < found.node {
			node, fresh, found = int32(e.node), isFresh, e
		}
	}
	return node, fresh
}

// lightest is the top of a domain's heap but for nodes that the shard is on.
// Entries of loads that are past are dropped on the way.
func (r *readers) lightest(s, d int) (entry, bool) {
	h := r.heaps[d]
	var aside []entry
	defer func() {
		for _, e := range aside {
			heap.Push(h, e)
		}
	}()
	for h.Len() > 0 {
		e := h.entries[0]
		if e.shards == int64(r.load[e.node]+1) && !r.taken(s, int32(e.node)) {
			return e, true
		}
		heap.Pop(h)
		if e.shards == int64(r.load[e.node]+1) {
			aside = append(aside, e)
		}
	}
	return entry{}, false
}
