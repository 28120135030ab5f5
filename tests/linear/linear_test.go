package linear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// defaultSeconds is how long the test command repeats runs.
const defaultSeconds = 4

// TestLinear repeats runs, each from its seed, until the time is used up. Runs of
// one seed are alike but not equal: goroutines are scheduled as they are.
func TestLinear(t *testing.T) {
	deadline := time.Now().Add(repeatFor(t, defaultSeconds*time.Second))
	var total tally
	seed := uint64(1)
	for ; !t.Failed() && (seed <= 3 || time.Now().Before(deadline)); seed++ {
		synctest.Test(t, func(t *testing.T) { total.add(runOnce(t, seed)) })
	}
	t.Logf("%d runs: %+v", seed-1, total)
	if total.Answered == 0 || total.Reads == 0 || total.Refused == 0 || total.Open == 0 {
		t.Errorf("%+v: this tests too little", total)
	}
}

// repeatFor is how long runs are repeated, if nobody says otherwise.
func repeatFor(t *testing.T, otherwise time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("OMNIRELAY_LINEAR_SECONDS")
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("OMNIRELAY_LINEAR_SECONDS=%q is no number", s)
	}
	return time.Duration(n) * time.Second
}

// tally counts what became of operations.
type tally struct{ Answered, Refused, Open, Reads, NotTried int }

func (a *tally) add(b tally) {
	a.Answered += b.Answered
	a.Refused += b.Refused
	a.Open += b.Open
	a.Reads += b.Reads
	a.NotTried += b.NotTried
}

// The size of one run.
const (
	clients = 6
	each    = 60
)

// runOnce runs two servers and some clients and checks their history.
func runOnce(t *testing.T, seed uint64) tally {
	w := newWorld(seed)
	ctx, stop := context.WithCancel(t.Context())
	servers := []*server{{world: w, name: "s1"}, {world: w, name: "s2"}}
	var running, calling sync.WaitGroup
	for _, s := range servers {
		s.present.Store(sequencer.New(s.options(&process{world: w, dead: make(chan struct{})}, 0), sequencer.View{}))
		running.Go(func() { s.run(ctx) })
	}
	running.Go(func() { w.deliver(ctx) })
	h := &history{}
	for id := range clients {
		c := &client{world: w, id: id, servers: servers, history: h}
		calling.Go(func() { c.run(ctx) })
	}
	calling.Wait()
	stop()
	running.Wait()
	for _, s := range servers {
		if s.err != nil {
			t.Errorf("seed %d: %v", seed, s.err)
		}
	}
	for _, part := range byNode(h.operations) {
		if porcupine.CheckOperations(spec(), part) {
			continue
		}
		t.Errorf("seed %d, faults %d %%: the operations on %s are not linearizable", seed, w.faults, part[0].Input.(input).node)
		for _, op := range part {
			t.Logf("%d to %d, client %d: %+v → %+v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
		}
	}
	return h.tally
}

// history collects operations. Its clock counts calls and returns, so that no
// two are at one time.
type history struct {
	clock      atomic.Int64
	mu         sync.Mutex
	operations []porcupine.Operation
	tally      tally
}

func (h *history) record(op porcupine.Operation, count func(*tally)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, op)
	count(&h.tally)
}

// count counts an operation that is no part of the history.
func (h *history) count(count func(*tally)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	count(&h.tally)
}

// notTried counts a command that certainly had no effect, and so is no part of
// the history.
func (h *history) notTried() {
	h.count(func(t *tally) { t.NotTried++ })
}

// client calls one operation after the other.
type client struct {
	*world
	id      int
	servers []*server
	history *history
}

func (c *client) run(ctx context.Context) {
	for i := range each {
		c.wait(ctx, 0, 20*time.Millisecond)
		in := input{node: nodes()[c.intN(3)]}
		switch c.intN(6) {
		case 0, 1:
			in.kind, in.value = setLabel, fmt.Sprintf("%d.%d", c.id, i)
		case 2:
			in.kind = cordon
		case 3:
			in.kind = uncordon
		default:
			in.kind = read
		}
		if in.kind == read {
			c.read(ctx, in)
		} else {
			c.command(ctx, in)
		}
	}
}

// attempts bounds how often a client repeats itself.
const attempts = 12

// command repeats a command with one key until it is answered; what is not
// answered stays open if any attempt may have been done.
func (c *client) command(ctx context.Context, in input) {
	r := commands.Request{Actor: fmt.Sprintf("user/%d", c.id), Key: c.key(), Command: commandOf(in), Hash: events.HashOf(fmt.Append(nil, in))}
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: c.history.clock.Add(1)}
	open := false
	for range attempts {
		at, err := c.submit(ctx, r)
		var rejected *commands.Rejected
		switch {
		case err == nil:
			op.Output, op.Return = output{at: at}, c.history.clock.Add(1)
			c.history.record(op, func(t *tally) { t.Answered++ })
			return
		case errors.As(err, &rejected) && rejected.Reason == "invalid_transition":
			op.Output, op.Return = output{refused: true}, c.history.clock.Add(1)
			c.history.record(op, func(t *tally) { t.Refused++ })
			return
		case errors.Is(err, sequencer.ErrOutcomeUnknown):
			open = true
			if c.intN(4) == 0 { // it gives up
				c.leaveOpen(op)
				return
			}
		}
		c.wait(ctx, time.Millisecond, 30*time.Millisecond)
	}
	if open {
		c.leaveOpen(op)
		return
	}
	c.history.notTried()
}

func (c *client) leaveOpen(op porcupine.Operation) {
	op.Output, op.Return = output{open: true}, math.MaxInt64
	c.history.record(op, func(t *tally) { t.Open++ })
}

func (c *client) submit(ctx context.Context, r commands.Request) (events.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(2+c.intN(300))*time.Millisecond)
	defer cancel()
	receipt, err := c.servers[c.intN(2)].present.Load().Submit(ctx, r)
	return receipt.Position, err
}

// read reads behind a barrier.
func (c *client) read(ctx context.Context, in input) {
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: c.history.clock.Add(1)}
	for range attempts {
		if out, ok := c.readOnce(ctx, in.node); ok {
			op.Output, op.Return = out, c.history.clock.Add(1)
			c.history.record(op, func(t *tally) { t.Reads++ })
			return
		}
		c.wait(ctx, time.Millisecond, 30*time.Millisecond)
	}
}

func (c *client) readOnce(ctx context.Context, id string) (output, bool) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	s := c.servers[c.intN(2)].present.Load()
	at, err := s.Barrier(ctx)
	if err != nil {
		return output{}, false
	}
	view := s.View()
	if view.Mark.Position < at {
		return output{seen: node{label: fmt.Sprintf("the view is at %d, the barrier said %d", view.Mark.Position, at)}}, true
	}
	n, _ := view.Model.Membership.Node(id)
	return output{seen: node{n.Labels["v"], n.Lifecycle == membership.Cordoned}, at: view.Mark.Position}, true
}

func commandOf(in input) commands.Command {
	switch in.kind {
	case cordon:
		return membership.Cordon{NodeID: in.node}
	case uncordon:
		return membership.Uncordon{NodeID: in.node}
	}
	return membership.Update{NodeID: in.node, Labels: map[string]string{"v": in.value}}
}

// key is a UUIDv7 of now.
func (c *client) key() commands.Key {
	var k commands.Key
	ms := time.Now().UnixMilli()
	for i := range 6 {
		k[i] = byte(ms >> (40 - 8*i))
	}
	for i := 6; i < len(k); i++ {
		k[i] = byte(c.intN(256))
	}
	k[6], k[8] = 0x70|k[6]&0xf, 0x80|k[8]&0x3f
	return k
}

// chainError is the error of a log that contradicts itself; nil for any other.
func chainError(err error) error {
	if broken, ok := errors.AsType[*events.ChainError](err); ok {
		return broken
	}
	return nil
}
