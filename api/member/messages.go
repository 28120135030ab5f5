package member

import "time"

// Inputs: exactly one kind of thing that happened.
type (
	// Opened: a session was opened. SentAt is when the first attempt of the open
	// was sent: all attempts carry one idempotency key and the incarnation of
	// the data directory, a repeated one is answered with the session that the
	// first one opened, and the server's timer counts from there. A new key is
	// for a new open, after SessionLost.
	Opened struct {
		Session  int64
		TTL      time.Duration
		SentAt   int64
		Position int64
	}
	// Answered: a heartbeat of the session, sent at SentAt, was answered.
	Answered struct {
		Session  int64
		TTL      time.Duration
		SentAt   int64
		WantFull bool
	}
	// SessionLost: the control leader says that the session is no more.
	SessionLost struct{ Session int64 }
	// Snapshot: all rows of this node at a position.
	Snapshot struct {
		Position int64
		Rows     []Row
	}
	// Changed: a row as it is since a position. A row of another owner says that
	// the shard is no longer this node's, of another target that it will not be.
	Changed struct {
		Position int64
		Row      Row
	}
	// Gone: a shard does not exist since a position.
	Gone struct {
		Position int64
		Ref      Ref
	}
	// Seen: every change up to a position has been told.
	Seen struct{ Position int64 }
	// Ended: the callback of an ownership has returned.
	Ended struct {
		Ref   Ref
		Fence int64
	}
	// PrepareEnded: the callback of a preparation has returned. Ready: it did what
	// it should; the other way is only for one that was told to end.
	PrepareEnded struct {
		Ref   Ref
		Fence int64
		Ready bool
	}
	// Leaving: release everything, then leave.
	Leaving struct{}
	// Tick: time has passed.
	Tick struct{}
	// Batch: several changes and ends at once, looked at as one. What concerns
	// the session comes by itself.
	Batch []Input
)

// Input is one of the types above.
type Input interface{ input() }

func (Opened) input()       {}
func (Answered) input()     {}
func (SessionLost) input()  {}
func (Snapshot) input()     {}
func (Changed) input()      {}
func (Gone) input()         {}
func (Ended) input()        {}
func (PrepareEnded) input() {}
func (Leaving) input()      {}
func (Tick) input()         {}
func (Seen) input()         {}
func (Batch) input()        {}

// Outputs: what the shell has to do, in order.
type (
	// Start runs the callback of an ownership.
	Start struct {
		Ref   Ref
		Fence int64
		Mode  Mode
		TTL   time.Duration
	}
	// End tells an ownership to end; Ended follows when the callback has
	// returned. After EndReleased the callback may act until it returns; should
	// the lease or the assignment end before, a second End says so, and from
	// then on it may not. EndRebound lets it act as EndReleased does, and a Start
	// follows it.
	End struct {
		Ref   Ref
		Fence int64
		Cause EndCause
	}
	// Prepare runs the callback of a preparation: a move goes here from Owner,
	// whose fence it names. A Start of the shard follows, or an EndPrepare.
	Prepare struct {
		Ref   Ref
		Fence int64
		Owner string
	}
	// EndPrepare says that the move ended otherwise. PrepareEnded follows, unless
	// the callback has returned before.
	EndPrepare struct {
		Ref   Ref
		Fence int64
	}
	// Beat sends a heartbeat.
	Beat struct {
		Session int64
		Held    []Held
		Full    bool
	}
	// Open opens a session.
	Open struct{}
	// Leave closes the session: everything is released.
	Leave struct{ Session int64 }
)

// Output is one of the types above.
type Output interface{ output() }

func (Start) output()      {}
func (End) output()        {}
func (Prepare) output()    {}
func (EndPrepare) output() {}
func (Beat) output()       {}
func (Open) output()       {}
func (Leave) output()      {}
