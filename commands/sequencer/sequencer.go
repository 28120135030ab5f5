package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// Options of a Sequencer beside its Core's Config.
type Options struct {
	Config
	Log      store.Log
	Register store.Register
	Clock    Clock
	Logger   *slog.Logger
	// OnStored is called in order for every view that was stored, by the
	// sequencer's own goroutine: it must be quick. May be nil.
	OnStored func(View)
	// OnRefused is called for every rejection before its caller gets it, by the
	// same goroutine: it must be quick. May be nil.
	OnRefused func(Refusal)
	// Full reports whether the log is so full that only this server's own
	// commands are still taken, which keep the mesh alive: others get
	// store.ErrLogFull, and nothing is tried. May be nil.
	Full func() bool
	// Metrics may be nil.
	Metrics *Metrics
	// SnapshotDir is where the model is saved; empty saves nothing.
	SnapshotDir string
}

// Sequencer runs a Core against a log and a register. Run owns the Core; all
// other methods only send to it or read published values.
type Sequencer struct {
	opts    Options
	view    atomic.Pointer[View]
	status  atomic.Pointer[Status]
	submit  chan *call
	results chan func(*Core, Now)
	done    chan struct{}
}

// Status is what the sequencer says of itself.
type Status struct {
	// Leading: this server's grant is stored and evolved.
	Leading bool
	// Term of the grant, 0 while not leading.
	Term events.Position
	// AuthorityUntil is the boot time at which authority ends.
	AuthorityUntil int64
	// AuthorityGained counts how often authority was gained after it had ended.
	AuthorityGained uint64
}

// opTimeout bounds one operation on the log or the register. Its outcome is
// open then, and is found as after any other error.
const opTimeout = 2 * time.Second

// New returns a sequencer whose stored log begins after view. Call Run.
func New(opts Options, view View) *Sequencer {
	s := &Sequencer{
		opts: opts, submit: make(chan *call, 4096),
		results: make(chan func(*Core, Now), 16), done: make(chan struct{}),
	}
	if opts.Metrics == nil {
		s.opts.Metrics = NewMetrics(nil)
	}
	core := NewCore(opts.Config, view)
	s.publish(core)
	return s
}

// View is the newest stored view.
func (s *Sequencer) View() View { return *s.view.Load() }

// Status is the newest status.
func (s *Sequencer) Status() Status { return *s.status.Load() }

// HasAuthority reports whether this server leads and its authority lasts now.
func (s *Sequencer) HasAuthority() bool {
	st := s.Status()
	return st.Leading && s.opts.Clock().Boot < st.AuthorityUntil
}

func (s *Sequencer) publish(c *Core) {
	v := c.View()
	until, gained := c.AuthorityUntil()
	st := Status{Leading: c.Leading(), AuthorityUntil: until, AuthorityGained: gained}
	if st.Leading {
		st.Term = c.auth.term
	}
	s.view.Store(&v)
	s.status.Store(&st)
}

// call is a Pending with the channel that its caller waits on.
type call struct {
	Pending
	answer chan Answer
	state  atomic.Int32
}

// The states of a call, moved by compare-and-swap: its caller gives up only
// what is not yet decided.
const (
	callQueued int32 = iota
	callDecided
	callGivenUp
)

func newCall(p Pending) *call {
	c := &call{Pending: p, answer: make(chan Answer, 1)}
	c.Cancelled = func() bool {
		c.state.CompareAndSwap(callQueued, callDecided)
		return c.state.Load() == callGivenUp
	}
	return c
}

// Submit implements commands.Submitter. When ctx ends first, the error wraps
// its cause, and [ErrOutcomeUnknown] if the command may have been done.
func (s *Sequencer) Submit(ctx context.Context, r commands.Request) (commands.Receipt, error) {
	if s.opts.Full != nil && !r.DryRun && r.Actor != "node/"+s.opts.Server && s.opts.Full() {
		return commands.Receipt{}, store.ErrLogFull
	}
	return s.do(ctx, newCall(Pending{Request: r}))
}

// Barrier returns a position that was the head at some moment after the call:
// what is read at it is linearizable.
func (s *Sequencer) Barrier(ctx context.Context) (events.Position, error) {
	receipt, err := s.do(ctx, newCall(Pending{Barrier: true}))
	return receipt.Position, err
}

func (s *Sequencer) do(ctx context.Context, c *call) (commands.Receipt, error) {
	select {
	case <-s.done: // first: what is queued now would never be looked at
		return commands.Receipt{}, ErrNotLeader
	default:
	}
	select {
	case s.submit <- c:
	default:
		return commands.Receipt{}, ErrOverloaded
	}
	select {
	case a := <-c.answer:
		return a.Receipt, a.Err
	case <-ctx.Done():
		if c.state.CompareAndSwap(callQueued, callGivenUp) {
			return commands.Receipt{}, fmt.Errorf("command was not tried: %w", context.Cause(ctx))
		}
		return commands.Receipt{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.Cause(ctx))
	case <-s.done:
		select {
		case a := <-c.answer: // it may have been answered by the last step
			return a.Receipt, a.Err
		default:
			return commands.Receipt{}, ErrOutcomeUnknown
		}
	}
}

// Run catches up with the log, campaigns, and decides commands until ctx ends
// or the log contradicts itself. A log with an event of a newer release it
// follows without leading. It returns when all its goroutines have.
func (s *Sequencer) Run(ctx context.Context) error {
	defer close(s.done)
	core := NewCore(s.opts.Config, s.View())
	if err := s.catchUp(ctx, core); err != nil {
		return fmt.Errorf("catch up with the log: %w", err)
	}
	l := &loop{Sequencer: s, core: core}
	snapshots := s.startSnapshots(ctx)
	err := l.run(ctx)
	l.drain()
	<-snapshots
	return err
}

// errCaughtUp ends the follow of catchUp.
var errCaughtUp = errors.New("caught up")

// catchUp evolves everything that is stored.
func (s *Sequencer) catchUp(ctx context.Context, core *Core) error {
	last, err := s.opts.Log.Last(ctx)
	if err != nil {
		return err
	}
	from := core.View().Mark.Sequence
	if last < from {
		return fmt.Errorf("%w: the log ends at message %d, the snapshot is of message %d", store.ErrLogTruncated, last, from)
	}
	if last == from {
		return nil
	}
	replay := newReplay(core.View())
	err = s.opts.Log.Follow(ctx, from+1, func(m store.Message) error {
		if err := replay.add(m); err != nil {
			return err
		}
		if m.Sequence >= last {
			return errCaughtUp
		}
		return nil
	})
	if !errors.Is(err, errCaughtUp) {
		return err
	}
	core.view = replay.view()
	s.publish(core)
	return nil
}
