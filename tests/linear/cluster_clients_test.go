package linear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	apiclient "github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// A call has so long, with all servers that it asks, and each of them so long; a
// caller calls so often.
const (
	callWithin   = 3 * time.Second
	answerWithin = 600 * time.Millisecond
	tries        = 4
)

// connect returns a client that does not wait long for a server that hangs.
func connect(t *testing.T, urls []string) *apiclient.Client {
	t.Helper()
	cfg := apiclient.DefaultConfig(urls...)
	cfg.CallTimeout, cfg.AttemptTimeout = callWithin, answerWithin
	api, err := apiclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

// caller is a client of the cluster that does one thing after the other.
type caller struct {
	t       *testing.T
	id      int
	api     *apiclient.Client
	history *history
	keys    []string
	stop    <-chan struct{}
	rng     *rand.Rand

	versions map[string]int64 // as it last read them
	next     *atomic.Int64    // values that nobody else writes
}

// cells reads and changes cells until it is stopped.
func (c *caller) cells() {
	for c.pause() {
		in := asked{kind: read, key: c.keys[c.rng.IntN(len(c.keys))]}
		if v := c.versions[in.key]; v > 0 && c.rng.IntN(2) == 0 {
			in.kind, in.value, in.version = replace, float64(c.next.Add(1)), v
		} else if c.rng.IntN(3) == 0 {
			in.kind, in.value = write, float64(c.next.Add(1))
		}
		if in.kind == read {
			c.look(in, c.readCell)
		} else {
			c.change(in, c.writeCell)
		}
	}
}

// pause waits a little; false ends the caller.
func (c *caller) pause() bool {
	timer := time.NewTimer(time.Duration(5+c.rng.IntN(50)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-c.stop:
		return false
	case <-timer.C:
		return true
	}
}

func (c *caller) readCell(ctx context.Context, in asked) (got, error) {
	ns, err := c.api.Namespaces.Get(ctx, &controlv1.GetNamespaceRequest{Namespace: in.key, Read: linearizable()})
	if err == nil {
		c.versions[in.key] = ns.GetVersion()
	}
	return got{value: ns.GetCapacityHint(), version: ns.GetVersion()}, err
}

func linearizable() *controlv1.ReadOptions {
	return &controlv1.ReadOptions{Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE}
}

func (c *caller) writeCell(ctx context.Context, in asked, m *controlv1.Mutation) (got, error) {
	m.IfVersion = in.version
	receipt, err := c.api.Namespaces.Update(ctx, &controlv1.UpdateNamespaceRequest{Namespace: in.key, CapacityHint: &in.value, Mutation: m})
	if err == nil {
		c.seesOwn(in, receipt.GetPosition())
	}
	return got{}, err
}

// seesOwn checks A4: whichever server is asked, a read at the position of a
// receipt is not older.
func (c *caller) seesOwn(in asked, at int64) {
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	page, err := c.api.Namespaces.List(ctx, &controlv1.ListNamespacesRequest{
		Search: in.key, Read: &controlv1.ReadOptions{MinPosition: at},
	})
	if err != nil {
		return // nobody was there to be asked
	}
	if len(page.Items) != 1 || page.Position < at || page.Items[0].GetVersion() <= in.version {
		c.t.Errorf("A4: %+v was done at position %d, and a read there is of position %d: %v", in, at, page.Position, page.Items)
	}
}

// look records a read that was answered.
func (c *caller) look(in asked, do func(context.Context, asked) (got, error)) {
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: c.history.clock.Add(1)}
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	out, err := do(ctx, in)
	if err != nil {
		return
	}
	op.Output, op.Return = out, c.history.clock.Add(1)
	c.history.record(op, func(t *tally) { t.Reads++ })
}

// change repeats a command with its key until it is answered; one that is not
// stays open if any try may have been done.
func (c *caller) change(in asked, do func(context.Context, asked, *controlv1.Mutation) (got, error)) {
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: c.history.clock.Add(1)}
	open, m := false, &controlv1.Mutation{CorrelationId: fmt.Sprintf("%d-%d", c.id, op.Call)}
	for range tries {
		ctx, cancel := context.WithTimeout(context.Background(), callWithin)
		out, err := do(ctx, in, m)
		cancel()
		var e *apiclient.Error
		switch {
		case err == nil:
			op.Output, op.Return = out, c.history.clock.Add(1)
			c.history.record(op, func(t *tally) { t.Answered++ })
			return
		case !errors.As(err, &e):
			c.t.Errorf("%+v: an error without a kind: %v", in, err)
			return
		case e.Reason == "version_mismatch" || e.Reason == "not_leader":
			op.Output, op.Return = got{refused: true}, c.history.clock.Add(1)
			c.history.record(op, func(t *tally) { t.Refused++ })
			return
		case e.OutcomeUnknown:
			open, m.IdempotencyKey = true, e.IdempotencyKey
		}
		if c.rng.IntN(4) == 0 { // it gives up
			break
		}
	}
	switch {
	case !open:
		c.history.notTried()
	case in.kind == campaign: // whether it won is seen by others, if at all
		c.history.count(func(t *tally) { t.Open++ })
	default:
		op.Output, op.Return = got{open: true}, math.MaxInt64
		c.history.record(op, func(t *tally) { t.Open++ })
	}
}

// candidate is a caller with a node, which campaigns for scopes and resigns them.
type candidate struct {
	caller
	node    string
	session int64
}

func (c *candidate) scopes() {
	for c.pause() {
		in := asked{key: c.keys[c.rng.IntN(len(c.keys))], node: c.node}
		switch c.rng.IntN(5) {
		case 0, 1:
			in.kind = campaign
			c.change(in, c.campaign)
		case 2:
			in.kind = resign
			c.change(in, c.resign)
		default:
			in.kind = read
			c.look(in, c.leader)
		}
	}
}

func (c *candidate) campaign(ctx context.Context, in asked, m *controlv1.Mutation) (got, error) {
	r, err := c.api.Leaders.Campaign(ctx, &controlv1.CampaignRequest{Scope: in.key, NodeId: c.node, SessionId: c.session, Mutation: m})
	return got{holder: r.GetToken().GetLeaderId(), term: r.GetToken().GetTerm()}, err
}

func (c *candidate) resign(ctx context.Context, in asked, m *controlv1.Mutation) (got, error) {
	_, err := c.api.Leaders.Resign(ctx, &controlv1.ResignRequest{Scope: in.key, NodeId: c.node, SessionId: c.session, Mutation: m})
	return got{}, err
}

func (c *candidate) leader(ctx context.Context, in asked) (got, error) {
	page, err := c.api.Leaders.Collect(ctx, &controlv1.ListLeadersRequest{Scope: in.key, Read: linearizable()})
	if err != nil {
		return got{}, err
	}
	for _, token := range page.Items {
		if token.GetScope() == in.key {
			return got{holder: token.GetLeaderId(), term: token.GetTerm()}, nil
		}
	}
	return got{}, nil
}
