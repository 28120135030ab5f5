package schedule

import "time"

// Bounds of schedules.
const (
	// MaxSchedules bounds them together: each is looked at by every step of the
	// scheduler, and is in memory on every server.
	MaxSchedules = 1000
	// MinEvery and MaxAhead bound how often and how far ahead one is due.
	MinEvery = 10 * time.Second
	MaxAhead = 10 * 366 * 24 * time.Hour
	// MaxCron bounds the text of a cron expression, in bytes.
	MaxCron = 256
	// MaxAttempts, MinBackoff, MaxBackoff and MaxPause bound retries.
	MaxAttempts = 20
	MinBackoff  = time.Second
	MaxBackoff  = time.Hour
	MaxPause    = 24 * time.Hour
	// MinDrain and MaxDrain bound the deadline of a drain, as membership does.
	MinDrain = time.Second
	MaxDrain = 24 * time.Hour
	// Grace is how long after its due a first attempt is in time: longer than a
	// change of the control leader takes.
	Grace = time.Minute
)

// Timing says when a schedule is due; one of its fields is set.
type Timing struct {
	// At is once, Unix milliseconds.
	At int64 `cbor:"1,keyasint,omitempty"`
	// After is once, that long after the creation. It becomes At.
	After time.Duration `cbor:"2,keyasint,omitempty"`
	// Every is again and again, counted from the creation.
	Every time.Duration `cbor:"3,keyasint,omitempty"`
	// Cron is five fields, in UTC.
	Cron string `cbor:"4,keyasint,omitempty"`
}

// Once reports whether there is one due.
func (t Timing) Once() bool { return t.Every == 0 && t.Cron == "" }

// Verb is what a schedule does.
type Verb string

// The verbs of actions.
const (
	Cordon       Verb = "cordon"
	Uncordon     Verb = "uncordon"
	Drain        Verb = "drain"
	CancelDrain  Verb = "cancel_drain"
	MoveShards   Verb = "move"
	PauseShards  Verb = "pause"
	ResumeShards Verb = "resume"
	Unquarantine Verb = "unquarantine"
)

// Action is the command that a schedule gives.
type Action struct {
	Verb Verb `cbor:"1,keyasint"`
	// NodeID is what is cordoned or drained, or where shards are moved.
	NodeID string `cbor:"2,keyasint,omitempty"`
	// Namespace and Shards are of the verbs about shards; ids ascend.
	Namespace string   `cbor:"3,keyasint,omitempty"`
	Shards    []uint32 `cbor:"4,keyasint,omitempty"`
	// Within is the deadline of a drain, from its start, cut to milliseconds; 0 is as
	// long as a drain usually has.
	Within time.Duration `cbor:"5,keyasint,omitempty"`
}

// Retry bounds the attempts at one due. Zero fields have their defaults.
type Retry struct {
	Attempts uint32 `cbor:"1,keyasint"`
	// Backoff is the pause before the second attempt; it doubles up to MaxBackoff.
	Backoff    time.Duration `cbor:"2,keyasint"`
	MaxBackoff time.Duration `cbor:"3,keyasint"`
}

// DefaultRetry is what zero fields mean.
func DefaultRetry() Retry {
	return Retry{Attempts: 5, Backoff: 10 * time.Second, MaxBackoff: 10 * time.Minute}
}

// Create makes a schedule.
type Create struct {
	Name   string
	Timing Timing
	Action Action
	// Skip passes over what was missed; otherwise it is made up for, once.
	Skip  bool
	Retry Retry
}

// Remove ends a schedule.
type Remove struct{ Name string }

// Pause keeps a schedule from firing.
type Pause struct{ Name string }

// Resume takes a pause back.
type Resume struct{ Name string }

// Fire is an attempt at the due of a schedule, by the scheduler.
type Fire struct {
	Name string
	// Due, Unix milliseconds, and the number of the attempt, from 1: refused unless
	// they are the next.
	Due     int64
	Attempt uint32
}

// CommandName implements commands.Command.
func (Create) CommandName() string { return "schedule.Create" }
func (Remove) CommandName() string { return "schedule.Remove" }
func (Pause) CommandName() string  { return "schedule.Pause" }
func (Resume) CommandName() string { return "schedule.Resume" }
func (Fire) CommandName() string   { return "schedule.Fire" }
