package natslog

import (
	"sync"

	"github.com/omnirelay/omnirelay/store"
)

// tail hands recent frames from Publish to the followers at the end of the log,
// without a way through the server. It holds the last frames, as many as its two
// bounds allow; the oldest go first. A follower that is further behind reads from
// JetStream until what it needs is here. So a slow follower holds nobody up (V2).
//
// Only stored messages are ever here, each directly after the one before it; a
// message whose ack was lost leaves the tail with the messages after it.
type tail struct {
	maxBytes  int64
	maxFrames int

	mu       sync.Mutex
	messages []store.Message
	bytes    int64
	known    uint64        // the highest sequence known to be stored
	waiting  bool          // somebody waits for changed
	changed  chan struct{} // closed when known rises
}

func newTail(maxBytes int64, maxFrames int) *tail {
	return &tail{maxBytes: maxBytes, maxFrames: maxFrames, changed: make(chan struct{})}
}

// add takes a message that is stored.
func (t *tail) add(m store.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.Sequence <= t.known && (len(t.messages) == 0 || m.Sequence <= t.newest()) {
		return
	}
	if n := len(t.messages); n > 0 && t.newest()+1 != m.Sequence {
		clear(t.messages)
		t.messages, t.bytes = t.messages[:0], 0
	}
	t.messages = append(t.messages, m)
	t.bytes += int64(len(m.Data))
	for len(t.messages) > 1 && (t.bytes > t.maxBytes || len(t.messages) > t.maxFrames) {
		t.bytes -= int64(len(t.messages[0].Data))
		t.messages[0] = store.Message{} // or the array would keep the bytes
		t.messages = t.messages[1:]
	}
	t.rise(m.Sequence)
}

func (t *tail) newest() uint64 { return t.messages[len(t.messages)-1].Sequence }

// know notes that the log reaches a sequence.
func (t *tail) know(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rise(sequence)
}

func (t *tail) rise(sequence uint64) {
	if sequence <= t.known {
		return
	}
	t.known = sequence
	if t.waiting {
		close(t.changed)
		t.changed, t.waiting = make(chan struct{}), false
	}
}

func (t *tail) last() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known
}

// followed tells whether somebody waits at the end.
func (t *tail) followed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting
}

// take copies messages from a sequence on into batch. With none it returns either
// the channel to wait on, because the log does not reach that far, or nil,
// because the message is stored but not here.
func (t *tail) take(from uint64, batch []store.Message) (int, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from > t.known {
		t.waiting = true
		return 0, t.changed
	}
	return t.copy(from, batch), nil
}

// peek copies messages from a sequence on, if they are here.
func (t *tail) peek(from uint64, batch []store.Message) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.copy(from, batch)
}

func (t *tail) copy(from uint64, batch []store.Message) int {
	if len(t.messages) == 0 || from < t.messages[0].Sequence || from > t.newest() {
		return 0
	}
	return copy(batch, t.messages[from-t.messages[0].Sequence:])
}
