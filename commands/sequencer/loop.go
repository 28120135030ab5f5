package sequencer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/store"
)

// loop is the one goroutine that owns the Core.
type loop struct {
	*Sequencer
	core *Core
	ops  sync.WaitGroup // operations on the log and the register
	// follows: frames are heard of by following the log, also while this server
	// leads; those are known then, and passed over.
	follows bool

	// What was told of operations that failed: each is tried again some fifty
	// times a second, and is news once.
	unacked   uint64 // the sequence that was published without an ack
	unwritten bool   // the register, since its last successful write
	warned    bool   // that this release cannot lead
}

// recampaign is the pause before a server that lost its leadership asks again.
const recampaign = 200 * time.Millisecond

func (l *loop) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a follow when this ends by itself
	timer := time.NewTimer(0)
	defer timer.Stop()
	if l.opts.Standby {
		l.follow(ctx)
	}
	for {
		if !l.opts.Standby && !l.core.Leading() && l.core.Idle() {
			if err := l.campaign(ctx, (*Core).Campaign); err != nil {
				return err
			}
		}
		wake := l.perform(ctx)
		if err := l.core.Fatal(); err != nil {
			return err
		}
		timer.Reset(wake)
		select {
		case <-ctx.Done():
			return nil
		case fn := <-l.results:
			fn(l.core, l.opts.Clock())
			l.settle()
		case calls := <-l.submit:
			l.enqueue(calls)
		case m := <-l.followed:
			l.hear(m)
		case step := <-l.asked:
			if err := l.campaign(ctx, step); err != nil {
				return err
			}
		case <-timer.C:
		}
		l.gather()
	}
}

// campaign takes a step between the roles. A server whose log is of a newer
// release becomes a follower for good: its reads go on, and commands are answered
// with ErrNotLeader.
func (l *loop) campaign(ctx context.Context, step func(*Core) error) error {
	err := step(l.core)
	if !errors.Is(err, ErrNewerRelease) {
		return err
	}
	if !l.warned {
		l.warned = true
		l.opts.Logger.Error("this server cannot lead: it follows the log and serves reads, and takes no commands", "error", err)
	}
	l.follow(ctx)
	return nil
}

// followAhead bounds the messages that were read from the log and not evolved.
const followAhead = 64

// follow feeds the core what is stored from now on, until ctx ends or the log
// cannot be read on, which is fatal.
func (l *loop) follow(ctx context.Context) {
	if l.follows {
		return
	}
	l.follows = true
	from := l.core.View().Mark.Sequence + 1
	l.ops.Add(1)
	go func() {
		defer l.ops.Done()
		err := l.opts.Log.Follow(ctx, from, func(m store.Message) error {
			select {
			case l.followed <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if ctx.Err() == nil {
			l.results <- func(c *Core, _ Now) { c.fatal = fmt.Errorf("follow the log: %w", err) }
		}
	}()
}

// hear takes a message, and those that were read behind it, into the core. What
// that returns is the core's Fatal, which the loop looks at.
func (l *loop) hear(first store.Message) {
	batch := append(make([]store.Message, 0, followAhead), first)
	for len(batch) < followAhead {
		select {
		case m := <-l.followed:
			batch = append(batch, m)
			continue
		default:
		}
		break
	}
	_ = l.core.Followed(batch...)
}

// settle answers who rested on what was stored before the next frame is decided,
// and lets them run: those who have another command get into that frame. Without
// it callers in a closed loop fall into two halves that take turns.
func (l *loop) settle() {
	r := l.core.Settled()
	l.deliver(r)
	if len(r.Answers) == 0 {
		return
	}
	for range maxYields {
		waiting := len(l.submit)
		if runtime.Gosched(); len(l.submit) == waiting {
			return
		}
	}
}

// maxYields bounds how often callers are let in: each time brings those that the
// scheduler woke, as long as there are more.
const maxYields = 8

// gather takes what else is there, so that one frame takes it all.
func (l *loop) gather() {
	for {
		select {
		case fn := <-l.results:
			fn(l.core, l.opts.Clock())
		case calls := <-l.submit:
			l.enqueue(calls)
		default:
			return
		}
	}
}

func (l *loop) enqueue(calls []call) {
	for i := range calls {
		if err := l.core.Submit(&calls[i].Pending); err != nil {
			calls[i].answers <- []Answer{{Pending: &calls[i].Pending, Err: err}}
		}
	}
}

// perform does what the core asks for, and returns how long it may sleep.
func (l *loop) perform(ctx context.Context) time.Duration {
	now := l.opts.Clock()
	r := l.core.Ready(now)
	l.start(ctx, r)
	l.deliver(r)
	if r.Wake == 0 {
		return recampaign
	}
	return max(0, time.Duration(r.Wake-now.Boot))
}

// deliver publishes what was stored and hands out answers.
func (l *loop) deliver(r Ready) {
	// Published first: whoever is woken by OnStored must see the view.
	l.Sequencer.publish(l.core)
	if len(r.Stored) > 0 && l.opts.OnStored != nil {
		l.opts.OnStored(l.core.View())
	}
	l.opts.Metrics.observe(l.core.View(), r)
	l.opts.refused(r.Answers)
	for rest := r.Answers; len(rest) > 0; {
		n := together(rest)
		if c := rest[0].Pending.owner; c != nil {
			c.answers <- rest[:n:n]
		}
		rest = rest[n:]
	}
}

// together counts the first answers that go to one waiter.
func together(as []Answer) int {
	to := as[0].Pending.owner
	n := 1
	for n < len(as) && to != nil && as[n].Pending.owner != nil && as[n].Pending.owner.answers == to.answers {
		n++
	}
	return n
}

// start begins the operations, each in a goroutine of its own that ends within
// opTimeout. The core never asks for a second one of a kind while one is open.
func (l *loop) start(ctx context.Context, r Ready) {
	if p := r.Publish; p != nil {
		l.op(ctx, func(ctx context.Context) func(*Core, Now) {
			began := time.Now()
			err := l.opts.Log.Publish(ctx, p.Expect, p.Data)
			l.opts.Metrics.appended(time.Since(began), err)
			return func(c *Core, _ Now) {
				l.tellPublished(p.Expect+1, err)
				c.Published(p.Expect, err)
			}
		})
	}
	if seq := r.Load; seq != 0 {
		l.op(ctx, func(ctx context.Context) func(*Core, Now) {
			m, err := l.opts.Log.Load(ctx, seq)
			return func(c *Core, now Now) { c.Loaded(now, seq, m, err) }
		})
	}
	if w := r.Write; w != nil {
		l.op(ctx, func(ctx context.Context) func(*Core, Now) {
			version, err := l.opts.Register.Write(ctx, w.Expect, w.Data)
			return func(c *Core, now Now) {
				l.tellWritten(err)
				c.Written(now, version, err)
			}
		})
	}
	if r.Read {
		l.op(ctx, func(ctx context.Context) func(*Core, Now) {
			version, data, err := l.opts.Register.Read(ctx)
			return func(c *Core, now Now) { c.WasRead(now, version, data, err) }
		})
	}
}

func (l *loop) tellPublished(sequence uint64, err error) {
	switch {
	case err == nil && sequence == l.unacked:
		l.opts.Logger.Info("publish has its ack again", "sequence", sequence)
	case err != nil && sequence != l.unacked:
		l.unacked = sequence
		l.opts.Logger.Warn("publish has no ack, looking what is stored", "sequence", sequence, "error", err)
	}
}

func (l *loop) tellWritten(err error) {
	switch {
	case err == nil && l.unwritten:
		l.unwritten = false
		l.opts.Logger.Info("authority register is written again")
	case err != nil && !l.unwritten:
		l.unwritten = true
		l.opts.Logger.Warn("authority register was not written", "error", err)
	}
}

func (l *loop) op(ctx context.Context, do func(context.Context) func(*Core, Now)) {
	l.ops.Add(1)
	go func() {
		defer l.ops.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
		defer cancel()
		l.results <- do(ctx)
	}()
}

// drain resolves what is in flight when the loop ends, so that its callers get
// their answers, and refuses the rest.
func (l *loop) drain() {
	deadline := time.Now().Add(opTimeout)
	l.core.Resign()
	for time.Now().Before(deadline) && !l.core.Idle() && l.core.Fatal() == nil {
		wake := l.perform(context.Background())
		select {
		case fn := <-l.results:
			fn(l.core, l.opts.Clock())
		case <-time.After(min(wake, 50*time.Millisecond)):
		}
	}
	l.perform(context.Background())
	l.finishOps()
	for {
		select {
		case calls := <-l.submit:
			l.enqueue(calls) // the core has resigned: each is refused
		default:
			return
		}
	}
}

// finishOps lets the last operations end: their results go nowhere.
func (l *loop) finishOps() {
	ended := make(chan struct{})
	go func() {
		l.ops.Wait()
		close(ended)
	}()
	for {
		select {
		case <-l.results:
		case <-ended:
			return
		}
	}
}

// The shell is what everybody submits to.
var _ commands.Submitter = (*Sequencer)(nil)
