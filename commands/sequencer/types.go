package sequencer

import (
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// Now is a moment on the two clocks that matter.
type Now struct {
	// Wall is Unix nanoseconds: frame time and idempotency keys.
	Wall int64
	// Boot is nanoseconds of a clock that counts suspension and never jumps:
	// authority and timers.
	Boot int64
}

// Timing of authority and of republishing.
const (
	// AuthorityFor is how long authority holds from the start of a write.
	AuthorityFor = time.Second
	// AuthorityEvery is how often it is renewed while nobody waits for it.
	AuthorityEvery = 500 * time.Millisecond
	// RetryAfter is the pause before the same bytes are published, or the same
	// claim is tried, again.
	RetryAfter = 20 * time.Millisecond
)

// Config of a Core. The zero value is not usable.
type Config struct {
	// Server is the name that leads; the actor of its own decisions is
	// "node/<Server>".
	Server string
	// Incarnation is random per process: two processes of one server are two
	// claimants of the authority register.
	Incarnation string
	// Introduce is what this server decides in its own first frame, before the
	// grant: genesis on an empty log, and what it says of itself. Pure.
	Introduce func(*model.Model) []commands.Request
	// NewLogID names the log if this server writes its first frame.
	NewLogID events.LogID
	// MaxQueue bounds the commands that wait; 0 means DefaultMaxQueue. This
	// server's own have OwnQueue beyond it.
	MaxQueue int
}

// DefaultMaxQueue bounds the commands that wait for a frame. OwnQueue is how
// many more may wait of this server's own, by which its controllers close the
// sessions of the dead and place their shards: no load of others may stop that.
const (
	DefaultMaxQueue = 16_384
	OwnQueue        = 8_192
)

// own reports whether a request is this server's own.
func (c Config) own(r *commands.Request) bool { return r.Actor == "node/"+c.Server }

// The outcomes that are neither a receipt nor a rejection.
var (
	// ErrOverloaded: the queue is full. Nothing was tried.
	ErrOverloaded = errors.New("overloaded: the command queue is full")
	// ErrNotLeader: this server does not lead. Nothing was stored.
	ErrNotLeader = errors.New("no_leader: this server is not the control leader")
	// ErrNewerRelease: the log has an event that this release does not know. This
	// server may follow it, and not lead (T6).
	ErrNewerRelease = errors.New("newer_release: this release does not know an event on the log and cannot lead")
	// ErrOutcomeUnknown: the caller stopped waiting for a command whose frame
	// may be stored. Ask again with the same key.
	ErrOutcomeUnknown = errors.New("outcome_unknown: the command may have been done; repeat it with the same idempotency key")
)

// Pending is a request in the sequencer. Its owner keeps it until it is
// answered.
type Pending struct {
	Request commands.Request
	// Barrier asks for no command but for proof that this server still leads;
	// the receipt's position is then linearizable.
	Barrier bool
	// Cancelled, if set, is asked once before the command is decided: true drops
	// it without a trace.
	Cancelled func() bool

	receipt commands.Receipt
	err     error
	owner   *call // of the shell; nil when the core is driven directly
	since   int64 // boot time of the decision, while it waits for a renewal
}

// Answer ends a Pending: a receipt, a *commands.Rejected, or one of this
// package's errors.
type Answer struct {
	Pending *Pending
	Receipt commands.Receipt
	Err     error
}

// View is the write model at a stored frame. It is frozen: anyone may read it.
type View struct {
	Model *model.Model
	Mark  store.Mark
}

// Publish asks for one store.Log.Publish.
type Publish struct {
	Expect uint64
	Data   []byte
}

// Write asks for one store.Register.Write.
type Write struct {
	Expect uint64
	Data   []byte
}

// Ready is what the shell has to do now. Each operation is asked for once and
// answered by the method that its field names.
type Ready struct {
	Publish *Publish // Published
	Load    uint64   // Loaded; 0 is none
	Write   *Write   // Written
	Read    bool     // WasRead
	Answers []Answer
	// Stored are the frames that were stored since the last Ready, in order.
	Stored []store.Message
	// Wake is the boot time at which Ready should be asked again even if
	// nothing happens; 0 is never.
	Wake int64
}
