package member

import "errors"

// Why an ownership or a leadership ended: the cause of its context.
var (
	// ErrReleased: asked to release, or leaving.
	ErrReleased = errors.New("member: released")
	// ErrLeaseEnded: no heartbeat was answered in time.
	ErrLeaseEnded = errors.New("member: the lease ended")
	// ErrReassigned: the log gives it to another, or the session is no more.
	ErrReassigned = errors.New("member: no longer assigned to this session")
	// ErrRebound: the log bound it to this node's next session; it is owned again, with
	// a new fence, when the callback has returned.
	ErrRebound = errors.New("member: bound to the next session")
	// ErrMoveEnded: the shard that was prepared does not come after all.
	ErrMoveEnded = errors.New("member: the move ended otherwise")
	// ErrReturned: the callback of the shard has returned.
	ErrReturned = errors.New("member: the callback has returned")
	// ErrStopped: the member has stopped.
	ErrStopped = errors.New("member: stopped")
	// ErrResigned: the leadership was given up here.
	ErrResigned = errors.New("member: resigned")
	// ErrDeposed: the log says that the leadership ended.
	ErrDeposed = errors.New("member: no longer the leader")
)

// Why a member does not run, or not on.
var (
	// ErrNodeTaken: another process has this node id.
	ErrNodeTaken = errors.New("member: another process has this node id")
	// ErrOtherLog: the servers have another log than the data directory.
	ErrOtherLog = errors.New("member: the servers have another log")
	// ErrLogBehind: the servers' log ends before what this node has seen.
	ErrLogBehind = errors.New("member: the log ends before what this node has seen")
	// ErrLocked: another process uses the data directory, or the file of fences.
	ErrLocked = errors.New("member: in use by another process")
)

// Why a key or a shard has no route, and a campaign no result.
var (
	// ErrNotFollowed: the namespace is not followed, or its table is not there
	// yet.
	ErrNotFollowed = errors.New("member: no table of the namespace")
	// ErrNoShard: the namespace has no such shard, or does not exist.
	ErrNoShard = errors.New("member: no such shard")
	// ErrUnowned: nobody owns the shard now.
	ErrUnowned = errors.New("member: the shard has no owner now")
	// ErrCampaigning: this member campaigns for the scope, or leads it, already.
	ErrCampaigning = errors.New("member: already a candidate or leader of the scope")
)
