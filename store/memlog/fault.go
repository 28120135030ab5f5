package memlog

import "errors"

// Kind says which call an [Op] is.
type Kind int

// The calls that can fail.
const (
	KindPublish Kind = iota + 1
	KindLoad
	KindLast
	KindWrite
	KindRead
)

// String returns the name of the call.
func (k Kind) String() string {
	switch k {
	case KindPublish:
		return "publish"
	case KindLoad:
		return "load"
	case KindLast:
		return "last"
	case KindWrite:
		return "write"
	case KindRead:
		return "read"
	}
	return "unknown"
}

// Op is a call that is about to take effect.
type Op struct {
	Kind Kind
	// Sequence is what the call names: the expectation of a publish or write, the
	// message of a load, 0 otherwise.
	Sequence uint64
	// Data of a publish or write. Not to be changed or kept.
	Data []byte
}

// Fault is what goes wrong with one call.
type Fault int

const (
	// None: the call does what it should.
	None Fault = iota
	// AckLost: the call takes effect if its expectation holds, and answers
	// [ErrNoAck] whether or not it did.
	AckLost
	// Lost: the call has no effect, now or later, and answers [ErrNoAck].
	Lost
	// Delayed: a publish answers [ErrNoAck] and waits, see [Log.Delayed]. Other
	// calls are [Lost].
	Delayed
	// SpuriousRefusal: a publish is not stored and answers ErrWrongSequence
	// although its expectation held, as three replicas do while another message
	// is proposed. Other calls are [Lost].
	SpuriousRefusal
	// Full: a publish is not stored and answers ErrLogFull. Other calls are [Lost].
	Full
)

// Faults decides what goes wrong with a call. nil means that nothing does.
type Faults func(Op) Fault

func (f Faults) of(op Op) Fault {
	if f == nil {
		return None
	}
	return f(op)
}

var (
	// ErrNoAck: no answer came. It says nothing about the effect.
	ErrNoAck = errors.New("memlog: no acknowledgement")
	// ErrCrashed ends a Follow that was under way at [Log.Crash].
	ErrCrashed = errors.New("memlog: the store crashed")
)
