package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

const (
	// fleetSpace is the namespace of a fleet.
	fleetSpace = "fleet"
	// fleetClients send requests, one after the other each.
	fleetClients = 8
	// fleetMove bounds each wait for the fleet.
	fleetMove = 2 * time.Minute
)

// ownership: members own shards, in this process, each with a server of requests;
// one falls silent, then all are drained and replaced, a tenth at a time.
func ownership(ctx context.Context, r *run) error {
	nodes, shards := max(10, 60/r.scale), 10_000/r.scale
	var again, took, answered, writers, gap, facts []float64
	var requests int64
	for range r.reps {
		f, err := r.fleetOnce(ctx, nodes, shards)
		if err != nil {
			return err
		}
		again, took = append(again, f.again.Seconds()), append(took, f.took.Seconds())
		answered = append(answered, float64(f.answered)/float64(max(f.sent, 1)))
		writers, gap = append(writers, f.two.Seconds()), append(gap, f.gap.Seconds())
		facts = append(facts, float64(f.facts))
		requests += f.sent
	}
	what := fmt.Sprintf("%d shards on %d members", shards, nodes)
	r.add("one of them is lost, from the close of its session to the last of its shards owned again; "+what, seconds, atMost(seconds, 1), again, nil)
	r.add(fmt.Sprintf("all are drained and replaced, a tenth at a time: requests answered (of %d sent)", requests), ofCore, atLeast(ofCore, 1), answered, nil)
	r.add("the same: longest time with two writers of a shard", seconds, atMost(seconds, 0), writers, nil)
	r.add("the same: longest wait for an answer", seconds, goal{}, gap, nil)
	r.add("the same: how long it took", seconds, goal{}, took, nil)
	r.add("the same: most facts on the log of one handoff", count, atMost(count, 3), facts, nil)
	return nil
}

// fleetResult is what one repetition came to.
type fleetResult struct {
	again, took, two, gap time.Duration
	sent, answered        int64
	facts                 int
}

func (r *run) fleetOnce(ctx context.Context, nodes, shards int) (res fleetResult, err error) {
	data, err := r.temp("server")
	if err != nil {
		return res, err
	}
	m, err := r.meshWith(ctx, data, beatTTL)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	dir, err := r.temp("members")
	if err != nil {
		return res, err
	}
	f := &fleet{mesh: m, dir: dir, trace: &trace{shards: map[uint32]map[int64]*tenure{}}, nodes: map[string]*keeper{}}
	defer func() { err = errors.Join(err, f.close()) }()
	for i := range nodes {
		if err := f.start(nodeName(i), i != nodes/2); err != nil {
			return res, err
		}
	}
	if err := m.namespace(ctx, fleetSpace, int32(shards)); err != nil {
		return res, err
	}
	if err := f.settled(ctx); err != nil {
		return res, err
	}
	if res.again, err = f.lose(ctx, nodeName(nodes/2)); err != nil {
		return res, err
	}
	if err := f.settled(ctx); err != nil {
		return res, err
	}
	before, err := m.position(ctx)
	if err != nil {
		return res, err
	}
	load := f.startLoad(ctx)
	began := time.Now()
	err = f.upgrade(ctx, max(1, nodes/10))
	res.took = time.Since(began)
	load.stop()
	if err != nil {
		return res, err
	}
	for _, why := range load.failures[:min(3, len(load.failures))] {
		r.notes = append(r.notes, "ownership: a request was not answered: "+why)
	}
	res.sent, res.answered, res.gap = load.sent.Load(), load.answered.Load(), time.Duration(load.longest.Load())
	res.two = f.trace.two()
	res.facts, err = f.facts(ctx, before)
	return res, err
}

// fleet is members and what they did.
type fleet struct {
	mesh  *mesh
	dir   string
	trace *trace

	mu    sync.Mutex
	nodes map[string]*keeper
}

// keeper is a member, its server of requests, and their end.
type keeper struct {
	addr   string
	web    *http.Server
	cancel context.CancelFunc
	ended  chan error
}

// start joins a member; one that does not leave falls silent when it ends.
func (f *fleet) start(id string, leaves bool) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	cfg := member.DefaultConfig(id, filepath.Join(f.dir, id), f.mesh.url)
	cfg.Labels = map[string]string{member.DefaultAddrLabel: listener.Addr().String()}
	cfg.Logger = quiet()
	if !leaves {
		cfg.LeaveTimeout = 0
	}
	cfg.Own = func(ctx context.Context, o member.Ownership) error {
		f.trace.owned(o)
		<-ctx.Done()
		return nil
	}
	m, err := member.New(cfg)
	if err != nil {
		return err
	}
	forwarder, err := m.Forward(member.ForwardConfig{
		Namespace: fleetSpace, Serve: http.HandlerFunc(f.trace.serve),
		Key: func(r *http.Request) (string, error) { return r.URL.Query().Get("key"), nil },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{addr: listener.Addr().String(), web: &http.Server{Handler: forwarder}, cancel: cancel, ended: make(chan error, 2)}
	go func() { k.ended <- m.Run(ctx) }()
	go func() { _ = k.web.Serve(listener) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[id] = k
	return nil
}

// stop ends a member and its server of requests.
func (f *fleet) stop(id string) error {
	f.mu.Lock()
	k := f.nodes[id]
	delete(f.nodes, id)
	f.mu.Unlock()
	k.cancel()
	err := <-k.ended
	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, k.web.Shutdown(end))
}

func (f *fleet) close() error {
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for _, id := range f.ids() {
		all.Go(func() {
			if err := f.stop(id); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// settled waits until every shard is owned, in the members' own eyes, and nothing moves.
func (f *fleet) settled(ctx context.Context) error {
	return eventually(ctx, fleetMove, "all shards are owned and none moves", func() error {
		page, err := f.mesh.client.Shards.Collect(ctx, &controlv1.ShardListRequest{Namespace: fleetSpace, PageSize: 1000})
		if err != nil {
			return &fatal{err}
		}
		for _, s := range page.Items {
			id, err := strconv.ParseUint(s.GetShardId(), 10, 32)
			switch {
			case err != nil:
				return &fatal{err}
			case s.GetOwnerNodeId() == "" || s.GetMoveToNodeId() != "":
				return fmt.Errorf("shard %d is owned by %q and goes to %q", id, s.GetOwnerNodeId(), s.GetMoveToNodeId())
			case !f.trace.has(uint32(id), s.GetFenceToken()):
				return fmt.Errorf("shard %d is not served yet", id)
			}
		}
		return nil
	})
}

// lose lets the servers close a session as they do when a lease has ended, and
// returns how long it took until each of its shards was owned by another.
func (f *fleet) lose(ctx context.Context, id string) (time.Duration, error) {
	mine, err := f.mesh.client.Shards.Collect(ctx, &controlv1.ShardListRequest{Namespace: fleetSpace, OwnerNodeId: id, PageSize: 1000})
	if err != nil {
		return 0, err
	}
	from, err := f.mesh.position(ctx)
	if err != nil {
		return 0, err
	}
	if err := f.stop(id); err != nil { // it does not leave
		return 0, err
	}
	var closed time.Time
	for e, err := range f.mesh.client.Log.Tail(ctx, &controlv1.TailRequest{After: &from}) {
		if err != nil {
			return 0, err
		}
		if e.GetType() == "SessionClosed" && e.GetId() == id {
			closed = e.GetTime().AsTime()
			break
		}
	}
	var last time.Time
	err = eventually(ctx, fleetMove, "the shards of the lost member are owned again", func() error {
		for _, s := range mine.Items {
			id, err := strconv.ParseUint(s.GetShardId(), 10, 32)
			if err != nil {
				return &fatal{err}
			}
			at, ok := f.trace.after(uint32(id), s.GetFenceToken())
			if !ok {
				return fmt.Errorf("shard %d is not", id)
			}
			if at.After(last) {
				last = at
			}
		}
		return nil
	})
	return last.Sub(closed), err
}

// ids are the members that run, in their order.
func (f *fleet) ids() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.nodes))
}

// upgrade drains so many members at a time, ends them, starts others in their place
// and lets these in: what `mesh upgrade run` does.
func (f *fleet) upgrade(ctx context.Context, atOnce int) error {
	for batch := range slices.Chunk(f.ids(), atOnce) {
		for _, id := range batch {
			if _, err := f.mesh.client.Peers.Drain(ctx, &controlv1.DrainPeerRequest{NodeId: id, Mutation: upgraded()}); err != nil {
				return err
			}
		}
		for _, id := range batch {
			if err := f.drained(ctx, id); err != nil {
				return err
			}
			if err := f.stop(id); err != nil {
				return err
			}
			if err := f.start(id, true); err != nil {
				return err
			}
		}
		for _, id := range batch {
			if err := f.joined(ctx, id); err != nil {
				return err
			}
			if _, err := f.mesh.client.Peers.Uncordon(ctx, &controlv1.UncordonPeerRequest{NodeId: id, Mutation: upgraded()}); err != nil {
				return err
			}
		}
		if err := f.settled(ctx); err != nil {
			return err
		}
	}
	return nil
}

func upgraded() *controlv1.Mutation { return &controlv1.Mutation{Reason: "upgrade"} }

func (f *fleet) drained(ctx context.Context, id string) error {
	return f.await(ctx, id, "is drained", func(p *controlv1.Peer) bool {
		return p.GetLifecycle() == controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINED
	})
}

func (f *fleet) joined(ctx context.Context, id string) error {
	return f.await(ctx, id, "has joined again", func(p *controlv1.Peer) bool {
		return p.GetStatus() == controlv1.PeerStatus_PEER_STATUS_ALIVE
	})
}

func (f *fleet) await(ctx context.Context, id, what string, ok func(*controlv1.Peer) bool) error {
	return eventually(ctx, fleetMove, id+" "+what, func() error {
		p, err := f.mesh.client.Peers.Get(ctx, &controlv1.GetPeerRequest{NodeId: id})
		if err != nil {
			return &fatal{err}
		}
		if !ok(p) {
			return fmt.Errorf("it is %s, %s", p.GetStatus(), p.GetLifecycle())
		}
		return nil
	})
}
