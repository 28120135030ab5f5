package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// send sends one command and returns when it is acknowledged.
type send func(context.Context) error

// probePause is between two commands of a prober, so that they take little of
// the machine while it is measured how soon they go on.
const probePause = 5 * time.Millisecond

// prober sends one command after the other by each of its ways and notes the
// acknowledgements of all of them together.
type prober struct {
	stop context.CancelFunc
	ways sync.WaitGroup

	mu   sync.Mutex
	acks []ack // guarded by mu, in the order of got
	last error // guarded by mu, of the last attempt that failed
}

type ack struct{ sent, got time.Time }

// probe starts a prober whose attempts take at most so long.
func probe(ctx context.Context, within time.Duration, ways ...send) *prober {
	p := &prober{}
	ctx, p.stop = context.WithCancel(ctx)
	for _, way := range ways {
		p.ways.Go(func() { p.run(ctx, within, way) })
	}
	return p
}

func (p *prober) run(ctx context.Context, within time.Duration, way send) {
	tick := time.NewTicker(probePause)
	defer tick.Stop()
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, within)
		sent := time.Now()
		err := way(attempt)
		cancel()
		p.note(sent, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (p *prober) note(sent time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.last = err
		return
	}
	p.acks = append(p.acks, ack{sent, time.Now()})
}

// end stops the prober and waits for its attempts.
func (p *prober) end() {
	p.stop()
	p.ways.Wait()
}

// probeWithin bounds the wait for an acknowledgement.
const probeWithin = time.Minute

// await waits until a command is acknowledged that was sent after a moment.
func (p *prober) await(ctx context.Context, after time.Time) error {
	return eventually(ctx, probeWithin, "a command is acknowledged", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.acks); n > 0 && p.acks[n-1].sent.After(after) {
			return nil
		}
		return errors.Join(fmt.Errorf("%d were before", len(p.acks)), p.last)
	})
}

// longest is the longest time without an acknowledgement, from a moment until
// the first one of a command that was sent after another.
func (p *prober) longest(from, until time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest, before := time.Duration(0), from
	for _, a := range p.acks {
		if a.got.Before(from) {
			continue
		}
		longest, before = max(longest, a.got.Sub(before)), a.got
		if a.sent.After(until) {
			break
		}
	}
	return longest
}
