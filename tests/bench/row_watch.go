package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

const (
	watching = 100
	// eventEvery is 500 events a second.
	eventEvery = 2 * time.Millisecond
)

// watchers: each watcher of one client sees each change; a change is the same
// 200 bytes as in the other groups. The time of a delivery counts from the
// moment when the writer, in the same process, has the answer that the change is
// stored; one that comes before the answer counts 0. From the sending is given
// beside it.
func watchers(ctx context.Context, r *run) error {
	var got [4][]float64 // ours and theirs after the answer, ours and theirs after the sending
	for range r.reps {
		for i, side := range []func(context.Context) (*deliveries, error){r.watchMesh, r.watchEtcd} {
			d, err := side(ctx)
			if err != nil {
				return err
			}
			acked, sent := d.delays()
			got[i] = append(got[i], quantile(acked, 0.99))
			got[2+i] = append(got[2+i], quantile(sent, 0.99))
		}
	}
	r.add("commit to delivery, p99", seconds, ratioAtMost(1), got[0], got[1])
	r.add("sending of the command to delivery, p99", seconds, goal{}, got[2], got[3])
	return nil
}

// deliveries are the times of some events at their writer and watchers.
type deliveries struct {
	sent, acked []atomic.Int64 // Unix nanoseconds by event; 0 is not yet
	mu          sync.Mutex
	seen        [][]arrival // by watcher
	missing     atomic.Int64
	all         chan struct{}
}

type arrival struct {
	event int
	at    int64
}

// watched is how many events one repetition has.
func (r *run) watched() int { return max(10, 2500/r.scale) }

func newDeliveries(events int) *deliveries {
	d := &deliveries{sent: make([]atomic.Int64, events), acked: make([]atomic.Int64, events), all: make(chan struct{})}
	d.missing.Store(int64(events) * watching)
	return d
}

// watcher takes what one watcher sees; call its result with each event, in one
// goroutine.
func (d *deliveries) watcher() func(event int) {
	d.mu.Lock()
	i := len(d.seen)
	d.seen = append(d.seen, make([]arrival, 0, len(d.sent)))
	own := &d.seen[i]
	mine := *own
	d.mu.Unlock()
	return func(event int) {
		mine = append(mine, arrival{event, time.Now().UnixNano()})
		if len(mine) == cap(mine) {
			d.mu.Lock()
			d.seen[i] = mine
			d.mu.Unlock()
		}
		if d.missing.Add(-1) == 0 {
			close(d.all)
		}
	}
}

// write sends all events, each on its tick whatever became of those before, and
// waits until every watcher has seen every one.
func (d *deliveries) write(ctx context.Context, send func(ctx context.Context, event int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range d.sent {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wg.Go(func() {
			d.sent[i].Store(time.Now().UnixNano())
			if err := send(ctx, i); err != nil {
				cancel(err)
				return
			}
			d.acked[i].Store(time.Now().UnixNano())
		})
	}
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case <-d.all:
		wg.Wait()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return fmt.Errorf("%d deliveries are missing after %s", d.missing.Load(), startWithin)
	}
}

// delays of all deliveries, in seconds, after the answer and after the sending.
func (d *deliveries) delays() (acked, sent []float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.seen {
		for _, a := range w {
			acked = append(acked, max(0, float64(a.at-d.acked[a.event].Load())/1e9))
			sent = append(sent, float64(a.at-d.sent[a.event].Load())/1e9)
		}
	}
	return acked, sent
}

func (r *run) watchMesh(ctx context.Context) (d *deliveries, err error) {
	m, err := r.newMesh(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	peers, err := m.peers(ctx, 100)
	if err != nil {
		return nil, err
	}
	d = newDeliveries(r.watched())
	commander := m.client.NewCommander()
	stop := background(ctx, commander.Run)
	defer func() { err = errors.Join(err, stop()) }()
	unwatch, err := watchAll(ctx, func(ctx context.Context, ready func()) error { return m.watchPeers(ctx, d, ready) })
	defer func() { err = errors.Join(err, unwatch()) }()
	if err != nil {
		return nil, err
	}
	return d, d.write(ctx, func(ctx context.Context, event int) error {
		_, err := commander.Submit(ctx, &controlv1.Command{Command: &controlv1.Command_UpdatePeer{UpdatePeer: &controlv1.UpdatePeerRequest{
			NodeId: peers[event%len(peers)].id, Labels: map[string]string{"value": value(int64(event))}, Mutation: &controlv1.Mutation{Reason: "bench"},
		}}})
		return err
	})
}

// watchPeers is one watcher; ready is called when its snapshot has come.
func (m *mesh) watchPeers(ctx context.Context, d *deliveries, ready func()) error {
	saw := d.watcher()
	live := false
	for n, err := range m.client.Peers.Watch(ctx, &controlv1.WatchPeersRequest{Bookmarks: true}) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case n.GetCurrent() == nil:
			if !live { // the bookmark behind the snapshot
				live = true
				ready()
			}
		case n.GetEvent() != "":
			event, err := eventOf(n.GetCurrent().GetLabels()["value"])
			if err != nil {
				return err
			}
			saw(event)
		}
	}
	return nil
}

// eventOf is the number that a value was made of.
func eventOf(value string) (n int, err error) {
	_, err = fmt.Sscanf(value[:min(20, len(value))], "%d", &n)
	return n, err
}

func (r *run) watchEtcd(ctx context.Context) (d *deliveries, err error) {
	s, err := r.etcdProcess(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	kv, err := etcdClient(s.url)
	if err != nil {
		return nil, err
	}
	defer kv.Close() //nolint:errcheck // its server ends with it
	d = newDeliveries(r.watched())
	unwatch, err := watchAll(ctx, func(ctx context.Context, ready func()) error { return watchKeys(ctx, kv, d, ready) })
	defer func() { err = errors.Join(err, unwatch()) }()
	if err != nil {
		return nil, err
	}
	return d, d.write(ctx, func(ctx context.Context, event int) error {
		_, err := kv.Put(ctx, fmt.Sprintf("peers/%d", event%100), value(int64(event)))
		return err
	})
}

func watchKeys(ctx context.Context, kv *clientv3.Client, d *deliveries, ready func()) error {
	saw := d.watcher()
	for res := range kv.Watch(ctx, "peers/", clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		if err := res.Err(); err != nil {
			return err
		}
		if res.Created {
			ready()
		}
		for _, e := range res.Events {
			event, err := eventOf(string(e.Kv.Value))
			if err != nil {
				return err
			}
			saw(event)
		}
	}
	return nil
}

// watchAll starts the watchers and waits until all are ready; stop ends them.
func watchAll(ctx context.Context, watch func(ctx context.Context, ready func()) error) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	failed := make(chan error, watching)
	var wg sync.WaitGroup
	ready := make(chan struct{}, watching)
	for range watching {
		wg.Go(func() {
			if err := watch(ctx, func() { ready <- struct{}{} }); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	stop = func() error {
		cancel()
		wg.Wait()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	for range watching {
		select {
		case <-ready:
		case err := <-failed:
			return stop, err
		case <-timer.C:
			return stop, fmt.Errorf("not all watchers are ready within %s", startWithin)
		case <-ctx.Done():
			return stop, ctx.Err()
		}
	}
	return stop, nil
}
