package natslog

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/embedded"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// Store is an open directory: the log, the register and the refusals. It
// implements [store.Log].
type Store struct {
	cfg    Config
	found  State
	lock   *os.File
	anchor *anchor
	server *embedded.Server

	conn     *nats.Conn
	js       jetstream.JetStream
	log      jetstream.Stream
	auth     jetstream.Stream
	refused  jetstream.Stream
	requests *requests

	era    atomic.Uint64 // of the log, 0 while it is not known; cfg.Era from then on
	files  jsfile.Blocks
	unread *jsfile.Unread
	tail   *tail
	used   atomic.Int64 // bytes of the log, as JetStream counts them
	// unscrubbed: some files were not read at Open.
	unscrubbed bool
	metrics    *metrics
	troubles   troubles
	short      atomic.Uint64          // messages that the log has lost; nothing is published then
	healed     atomic.Pointer[Healed] // what was put back, and is not on the log yet

	// replaced are the directories that were given a place through this process:
	// whoever asks again is answered as the first time. Some, in a lifetime.
	replaced sync.Map

	// link is to the other servers of a cluster.
	link *Link

	// life ends when closing is closed.
	life      context.Context
	endLife   context.CancelFunc
	unsure    chan struct{} // a publish ended without an ack: look at the log's end
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	loops     sync.WaitGroup
}

var _ store.Log = (*Store)(nil)

// State is what Open found in the directory.
type State int

const (
	// Genesis: no anchor, nothing known, and no message. The log may begin here.
	Genesis State = iota + 1
	// Existing: there is a log.
	Existing
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Genesis:
		return "genesis"
	case Existing:
		return "existing"
	}
	return "unknown"
}

// State returns what Open found.
func (s *Store) State() State { return s.found }

// Link returns what carries messages to the other servers.
func (s *Store) Link() *Link { return s.link }

// Era returns the era of the open log.
func (s *Store) Era() uint64 { return s.cfg.Era }

// Anchor keeps a verified end of the log beside it. It is written at once and
// fsynced within Config.AnchorSync and at Close; a mark behind the last one is
// ignored. The first mark of a directory waits for the disk.
func (s *Store) Anchor(m store.Mark) error {
	if s.closed() {
		return store.ErrClosed
	}
	return s.anchor.set(m)
}

// Anchored returns the last mark given to Anchor, in this process or before, and
// whether there is one.
func (s *Store) Anchored() (store.Mark, bool) { return s.anchor.get() }

func (s *Store) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// request bounds the wait for one answer of the server. Its context ends with
// nats.ErrDisconnected as its cause when the connection breaks.
func (s *Store) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return s.requests.within(ctx, s.cfg.answerTimeout())
}

// syncAnchor makes anchors durable at the stated interval.
func (s *Store) syncAnchor() {
	ticker := time.NewTicker(s.cfg.AnchorSync)
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-ticker.C:
			if err := s.anchor.sync(); err != nil {
				s.cfg.logger().Error("the anchor is not durable; trying again", "error", err)
			}
		}
	}
}
