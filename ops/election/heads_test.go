package election

import "testing"

// TestHeads: another hash at a position that is remembered is told, and nothing
// else is.
func TestHeads(t *testing.T) {
	var h heads
	for p := uint64(1); p <= 3000; p++ {
		h.add(p, [32]byte{byte(p), byte(p >> 8)})
	}
	h.add(2999, [32]byte{9}) // behind: passed over
	for _, test := range []struct {
		name     string
		position uint64
		hash     [32]byte
		want     bool
	}{
		{"the same head", 3000, [32]byte{0xb8, 0x0b}, false},
		{"another one", 3000, [32]byte{1}, true},
		{"the same one of before", 2999, [32]byte{0xb7, 0x0b}, false},
		{"another one of before", 2500, [32]byte{1}, true},
		{"one that is forgotten", 10, [32]byte{1}, false},
		{"one that is not here yet", 3001, [32]byte{1}, false},
		{"an empty log", 0, [32]byte{1}, false},
	} {
		if got := h.differs(test.position, test.hash); got != test.want {
			t.Errorf("%s: differs is %t", test.name, got)
		}
	}
}
