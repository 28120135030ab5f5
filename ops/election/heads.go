package election

import "sync"

// heads remembers the newest heads of this server's log, to compare them with
// what others say: two servers that show another hash at one position do not have
// the same log.
type heads struct {
	mu   sync.Mutex
	ring [1024]head
	next int
}

type head struct {
	position uint64
	hash     [32]byte
}

func (h *heads) add(position uint64, hash [32]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := h.ring[(h.next+len(h.ring)-1)%len(h.ring)]; last.position >= position {
		return
	}
	h.ring[h.next] = head{position, hash}
	h.next = (h.next + 1) % len(h.ring)
}

// differs reports whether this server shows another hash at a position. One that
// is not remembered says nothing.
func (h *heads) differs(position uint64, hash [32]byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.ring {
		if x.position == position && position != 0 {
			return x.hash != hash
		}
	}
	return false
}
