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
	// Standby makes this server one of several: it follows the log while it does not
	// lead, and campaigns only when [Sequencer.Campaign] says so. Otherwise it
	// campaigns at start, and again whenever it lost its leadership.
	Standby bool
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
	submit  chan []call
	results chan func(*Core, Now)
	// followed are stored messages that were read from the log.
	followed chan store.Message
	// asked are steps between the roles that somebody asked for.
	asked chan func(*Core) error
	done  chan struct{}
}

// Status is what the sequencer says of itself.
type Status struct {
	// Leading: this server's grant is stored and evolved.
	Leading bool
	// Campaigning: this server is a candidate.
	Campaigning bool
	// Follows: this release must not lead, because the log has events of a newer one.
	Follows bool
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
		opts: opts, submit: make(chan []call, 4096),
		results: make(chan func(*Core, Now), 16), done: make(chan struct{}),
		followed: make(chan store.Message, followAhead), asked: make(chan func(*Core) error, 1),
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

// Campaign makes a standby a candidate, if nothing of its last leadership is
// under way. It does not wait; Status tells what becomes of it.
func (s *Sequencer) Campaign() { s.ask((*Core).Campaign) }

// Withdraw ends a candidacy that has not won. It does not wait.
func (s *Sequencer) Withdraw() {
	s.ask(func(c *Core) error { c.Withdraw(); return nil })
}

// ask hands a step to Run. While one waits another is dropped: who asks looks at
// Status and asks again.
func (s *Sequencer) ask(step func(*Core) error) {
	select {
	case s.asked <- step:
	default:
	}
}

func (s *Sequencer) publish(c *Core) {
	v, st := c.View(), c.Status()
	s.view.Store(&v)
	s.status.Store(&st)
}

// call is a Pending of somebody who waits for it.
type call struct {
	Pending
	// answers is shared by the calls that were submitted together, and has room
	// for all of them: who answers never waits.
	answers chan []Answer
	state   atomic.Int32
	// index and answered belong to who waits.
	index    int
	answered bool
}

// The states of a call, moved by compare-and-swap: its caller gives up only
// what is not yet decided.
const (
	callQueued int32 = iota
	callDecided
	callGivenUp
)

func newCalls(n int) []call {
	calls := make([]call, n)
	answers := make(chan []Answer, n)
	for i := range calls {
		c := &calls[i]
		c.answers, c.index, c.owner = answers, i, c
		c.Cancelled = c.cancelled
	}
	return calls
}

// cancelled is asked by the core right before it decides.
func (c *call) cancelled() bool {
	c.state.CompareAndSwap(callQueued, callDecided)
	return c.state.Load() == callGivenUp
}

// Submit implements commands.Submitter. When ctx ends first, the error wraps
// its cause, and [ErrOutcomeUnknown] if the command may have been done.
func (s *Sequencer) Submit(ctx context.Context, r commands.Request) (receipt commands.Receipt, err error) {
	s.SubmitAll(ctx, []commands.Request{r}, func(_ int, got commands.Receipt, failed error) { receipt, err = got, failed })
	return receipt, err
}

// SubmitAll implements commands.Submitter. The error of each is as Submit's.
func (s *Sequencer) SubmitAll(ctx context.Context, rs []commands.Request, answer func(i int, r commands.Receipt, err error)) {
	full := s.opts.Full != nil && s.opts.Full()
	calls := newCalls(len(rs))
	queued := calls[:0:len(calls)] // the front part of calls
	own := true
	for i, r := range rs {
		ours := s.opts.own(&r)
		own = own && ours
		if full && !r.DryRun && !ours {
			answer(i, commands.Receipt{}, store.ErrLogFull)
			continue
		}
		c := &calls[len(queued)]
		c.Request, c.index = r, i
		queued = calls[:len(queued)+1]
	}
	s.do(ctx, queued, own, answer)
}

// Barrier returns a position that was the head at some moment after the call:
// what is read at it is linearizable.
func (s *Sequencer) Barrier(ctx context.Context) (at events.Position, err error) {
	calls := newCalls(1)
	calls[0].Barrier = true
	s.do(ctx, calls, false, func(_ int, r commands.Receipt, failed error) { at, err = r.Position, failed })
	return at, err
}

// do queues calls and waits until all are answered, or ctx or Run has ended. This
// server's own wait for room on the way to the queue, too; others are refused.
func (s *Sequencer) do(ctx context.Context, calls []call, own bool, answer func(i int, r commands.Receipt, err error)) {
	if len(calls) == 0 {
		return
	}
	failAll := func(err error) {
		for i := range calls {
			answer(calls[i].index, commands.Receipt{}, err)
		}
	}
	select {
	case <-s.done: // first: what is queued now would never be looked at
		failAll(ErrNotLeader)
		return
	default:
	}
	if s.lapsed() {
		failAll(ErrNotLeader)
		return
	}
	if err := s.enter(ctx, calls, own); err != nil {
		failAll(err)
		return
	}
	w := waiter{calls: calls, left: len(calls), answer: answer}
	for w.left > 0 {
		select {
		case as := <-calls[0].answers:
			w.take(as)
		case <-ctx.Done():
			w.giveUp(context.Cause(ctx))
		case <-s.done:
			w.stopped()
		}
	}
}

// lapsed reports whether this server, one of several, leads by its own account and
// has not been able to prove it for as long as authority lasts: it is cut off, or
// was deposed and has not heard of it. What is queued stays; what comes now is
// better asked of another, who may lead.
func (s *Sequencer) lapsed() bool {
	st := s.Status()
	return s.opts.Standby && st.Leading && s.opts.Clock().Boot > st.AuthorityUntil+int64(AuthorityFor)
}

// enter hands calls to Run. An error means that nothing was tried.
func (s *Sequencer) enter(ctx context.Context, calls []call, own bool) error {
	select {
	case s.submit <- calls:
		return nil
	default:
	}
	if !own {
		return ErrOverloaded
	}
	select {
	case s.submit <- calls:
		return nil
	case <-s.done:
		return ErrNotLeader
	case <-ctx.Done():
		return fmt.Errorf("command was not tried: %w", context.Cause(ctx))
	}
}

// waiter hands the answers of calls that were submitted together to who asked.
type waiter struct {
	calls  []call
	left   int
	answer func(i int, r commands.Receipt, err error)
}

func (w *waiter) take(as []Answer) {
	for _, a := range as {
		w.end(a.Pending.owner, a.Receipt, a.Err)
	}
}

func (w *waiter) end(c *call, r commands.Receipt, err error) {
	if !c.answered {
		c.answered = true
		w.left--
		w.answer(c.index, r, err)
	}
}

// giveUp ends the wait: what is not decided yet never will be, of the rest
// nobody here knows.
func (w *waiter) giveUp(cause error) {
	w.takeReady()
	for i := range w.calls {
		c := &w.calls[i]
		if c.state.CompareAndSwap(callQueued, callGivenUp) {
			w.end(c, commands.Receipt{}, fmt.Errorf("command was not tried: %w", cause))
			continue
		}
		w.end(c, commands.Receipt{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause))
	}
}

// stopped ends the wait when Run has returned: its last step may have answered.
func (w *waiter) stopped() {
	w.takeReady()
	for i := range w.calls {
		w.end(&w.calls[i], commands.Receipt{}, ErrOutcomeUnknown)
	}
}

func (w *waiter) takeReady() {
	for {
		select {
		case as := <-w.calls[0].answers:
			w.take(as)
		default:
			return
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
