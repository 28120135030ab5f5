package member

// Ref names a shard.
type Ref struct {
	Namespace string
	Shard     uint32
}

// Row is what the log says of a shard, as far as its owner is concerned.
type Row struct {
	Ref
	Owner   string
	Session int64
	Fence   int64
	// Draining: the owner is asked to release.
	Draining bool
	// Mode and TTL, nanoseconds, are how the namespace is owned.
	Mode Mode
	TTL  int64
	// To is the target of the move in flight.
	To string
}

// HoldState is what this member does with a shard. The values are those of the
// wire.
type HoldState uint8

// The states of a shard that is held here.
const (
	// Prepared: a move goes here, and the callback has prepared it. The fence is
	// that of the present owner.
	Prepared HoldState = 1
	// Owning: the callback runs.
	Owning HoldState = 2
	// Released: the callback has returned after a release; never owned again
	// with this fence.
	Released HoldState = 3
)

// Held is one line of what a heartbeat reports.
type Held struct {
	Ref
	Fence int64
	State HoldState
}

// EndCause is why an ownership ends.
type EndCause uint8

// The causes of an end.
const (
	EndReleased   EndCause = iota + 1 // asked to release, or leaving
	EndLease                          // the lease ended
	EndReassigned                     // the log says that it is another's
	EndRebound                        // the log bound it to this node's next session: it starts again
)

// hold is a shard that this member has, or had until its release is known.
type hold struct {
	fence   int64
	session int64 // that the assignment names
	mode    Mode
	ttl     int64
	// ends is when the ownership of an earlier session ends, or is stale.
	ends    int64
	running bool     // the callback has started and not returned
	ending  EndCause // it was told to end; 0 while it was not
	// stopped: it was told that it may act no more, not even to release.
	stopped bool
	// released: the callback returned after a release.
	released bool
}
