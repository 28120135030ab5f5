package placement

type entry struct {
	ratio
	node int
}

// ratioHeap is a container/heap of nodes by load per weight: the lowest first
// and lower indices before higher, or with highest all the other way round.
type ratioHeap struct {
	entries []entry
	highest bool
}

func (h *ratioHeap) Len() int      { return len(h.entries) }
func (h *ratioHeap) Swap(i, j int) { h.entries[i], h.entries[j] = h.entries[j], h.entries[i] }

func (h *ratioHeap) Less(i, j int) bool {
	a, b := h.entries[i], h.entries[j]
	if h.highest {
		a, b = b, a
	}
	if a.less(b.ratio) {
		return true
	}
	return !b.less(a.ratio) && a.node < b.node
}

func (h *ratioHeap) Push(x any) { h.entries = append(h.entries, x.(entry)) }

func (h *ratioHeap) Pop() any {
	last := h.entries[len(h.entries)-1]
	h.entries = h.entries[:len(h.entries)-1]
	return last
}
