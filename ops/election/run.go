package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
)

// Election is this server's part in elections. Run owns it; the rest may be asked
// by anyone.
type Election struct {
	cfg     Config
	heads   heads
	metrics *metrics

	// mu is never held across I/O.
	mu     sync.Mutex
	roster *Roster // guarded by mu

	// What follows belongs to Run.

	state State
	last  Beat  // as it was last told
	told  int64 // when
	since int64 // of the last campaign

	steering, preparing errand

	// wake is of size 1: something was heard that may not wait for the next step.
	wake chan struct{}
	// retire is the successor that was named; empty while this server does not
	// retire.
	retire   atomic.Pointer[string]
	diverged chan error
}

// beatKind is the kind of message that beats are.
const beatKind = "beat"

// New returns an election that begins with Run.
func New(cfg Config) *Election {
	return &Election{cfg: cfg, roster: NewRoster(), metrics: newMetrics(cfg.Metrics), diverged: make(chan error, 1), wake: make(chan struct{}, 1)}
}

// Run tells, hears and steps until ctx ends, or this server's log is found to be
// another one than the leader's.
func (e *Election) Run(ctx context.Context) error {
	if err := e.cfg.Link.Hear(beatKind, e.hear); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		e.steering.wait()
		e.preparing.wait()
	}()
	tick := time.NewTicker(StepEvery)
	defer tick.Stop()
	for {
		e.step(ctx)
		select {
		case <-tick.C:
		case <-e.wake:
		case err := <-e.diverged:
			return err
		case <-ctx.Done():
			b := e.beat(false)
			b.Leaving, b.Leading = true, false
			e.tell(b)
			return nil
		}
	}
}

// hear takes a beat of another server.
func (e *Election) hear(message []byte) {
	b, err := DecodeBeat(message)
	if err != nil || b.Server == e.cfg.Server {
		return
	}
	e.mu.Lock()
	e.roster.Hear(b, e.cfg.Clock().Boot)
	e.mu.Unlock()
	if b.Retiring || b.Leaving {
		e.wakeUp()
	}
	if !e.heads.differs(b.Position, b.Hash) {
		return
	}
	e.metrics.diverged.Inc()
	e.cfg.Logger.Error("two servers show different heads at one position", "position", b.Position, "server", b.Server, "leads", b.Leading)
	if b.Leading && !e.cfg.Candidate.HasAuthority() {
		select {
		case e.diverged <- fmt.Errorf("%w: position %d, the leader is %s", ErrDiverged, b.Position, b.Server):
		default:
		}
	}
}

func (e *Election) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Stored notes a view that was stored: a sign of life of the leader, and a head
// to compare. The sequencer's goroutine calls it.
func (e *Election) Stored(v sequencer.View) {
	e.heads.add(uint64(v.Mark.Position), v.Mark.Hash)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roster.Stored(e.cfg.Server, v, e.cfg.Clock().Boot)
}

func (e *Election) step(ctx context.Context) {
	var a Action
	v := e.view()
	e.state, a = Step(e.state, v)
	switch {
	case a.Campaign:
		e.cfg.Logger.Info("campaigning for control leadership", "why", a.Why, "position", v.Position, "missed", v.Leader)
		e.since = v.Now
		e.metrics.campaigns.Inc()
		e.campaign(ctx)
	case a.Withdraw:
		e.cfg.Logger.Info("candidacy withdrawn: the leader is heard again", "leader", v.Leader)
		e.cfg.Candidate.Withdraw()
	case a.Steer:
		e.steer(ctx)
	}
	if b := e.beat(a.Misses); v.Now-e.told >= int64(BeatEvery) || b.News(e.last) {
		e.told, e.last = v.Now, b
		e.tell(b)
	}
}

// prepareWithin bounds a Prepare: the next step may ask again.
const prepareWithin = 2 * time.Second

// campaign makes this server a candidate as soon as it is prepared, beside the
// steps, one attempt at a time.
func (e *Election) campaign(ctx context.Context) {
	if e.cfg.Prepare == nil {
		e.cfg.Candidate.Campaign()
		return
	}
	e.preparing.begin(func() {
		ctx, cancel := context.WithTimeout(ctx, prepareWithin)
		defer cancel()
		if err := e.cfg.Prepare(ctx); err == nil {
			e.cfg.Candidate.Campaign()
		} else if !errors.Is(err, context.Canceled) {
			e.cfg.Logger.Warn("not campaigning: the end of the log is not confirmed", "error", err)
		}
	})
}

func (e *Election) tell(b Beat) {
	if err := e.cfg.Link.Tell(beatKind, b.Encode()); err != nil {
		e.cfg.Logger.Debug("the other servers were not told", "error", err)
	}
}

// steer brings the streams here, beside the steps, one attempt at a time.
func (e *Election) steer(ctx context.Context) {
	e.state.AwaySince = 0
	e.steering.begin(func() {
		e.cfg.Logger.Info("bringing the log's replicas under this leader")
		ctx, cancel := context.WithTimeout(ctx, SteerAfter)
		defer cancel()
		if err := e.cfg.Streams.MoveLeaders(ctx, e.cfg.Server); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("the log's replicas are led elsewhere; trying again", "error", err)
		}
	})
}

func (e *Election) view() View {
	st, seq := e.cfg.Candidate.Status(), e.cfg.Candidate.View()
	e.mu.Lock()
	v := e.roster.Look(e.cfg.Server, st, seq, e.cfg.Clock().Boot)
	e.mu.Unlock()
	log, register := e.cfg.Streams.Hosts()
	v.Servers, v.Since, v.HostsLog, v.HostsAll = e.cfg.Servers, e.since, log, log && register
	v.Routed = v.Leader != "" && e.cfg.Link.Routed(v.Leader)
	return v
}

// beat is what this server says of itself now.
func (e *Election) beat(misses bool) Beat {
	st, seq := e.cfg.Candidate.Status(), e.cfg.Candidate.View()
	b := Beat{
		Server: e.cfg.Server, Version: e.cfg.Version, Address: e.cfg.Address,
		Leading: e.cfg.Candidate.HasAuthority(), Term: uint64(st.Term),
		Misses: misses, Eligible: !st.Follows, Waiting: e.cfg.Waiting(),
		Position: uint64(seq.Mark.Position), Hash: seq.Mark.Hash, Shown: uint64(e.cfg.Shown()),
	}
	if s := e.retire.Load(); s != nil && b.Leading {
		b.Retiring, b.Successor = true, *s
	}
	return b
}
