package linear

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// peerWatch watches all peers by one client from before the faults until after
// them.
type peerWatch struct {
	t       *testing.T
	stop    context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	from int64   // guarded by mu: the position of the snapshot
	seen []int64 // guarded by mu: positions of events, in their order
}

func watchPeers(t *testing.T, c *harness.Cluster) *peerWatch {
	ctx, stop := context.WithCancel(context.Background())
	w := &peerWatch{t: t, stop: stop}
	api := c.Connect()
	w.running.Go(func() {
		for n, err := range api.Peers.Watch(ctx, &controlv1.WatchPeersRequest{}) {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("A5: the watch ended: %v", err)
				}
				return
			}
			w.note(n)
		}
	})
	t.Cleanup(w.end)
	return w
}

func (w *peerWatch) note(n *controlv1.PeerNotification) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.GetEventPosition() == 0 {
		w.from = max(w.from, n.GetPosition())
		return
	}
	w.seen = append(w.seen, n.GetEventPosition())
}

func (w *peerWatch) end() {
	w.stop()
	w.running.Wait()
}

// check is A5: what happened to peers on the log since the snapshot was delivered
// once each, in order.
func (w *peerWatch) check(c *harness.Cluster) {
	w.t.Helper()
	var want []int64
	harness.Eventually(w.t, rest, "the watch has come to the head", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		want = nil
		for _, e := range c.Events("") {
			if e.GetPosition() > w.from && slices.Contains([]string{"NodeJoined", "NodeUpdated", "SessionOpened", "SessionClosed"}, e.GetType()) {
				want = append(want, e.GetPosition())
			}
		}
		if len(want) > 0 && (len(w.seen) == 0 || w.seen[len(w.seen)-1] < want[len(want)-1]) {
			return fmt.Errorf("%d of %d changes", len(w.seen), len(want))
		}
		return nil
	})
	w.end()
	if !slices.Equal(w.seen, want) {
		w.t.Errorf("A5: the watch delivered %v, the log has %v", w.seen, want)
	}
	w.t.Logf("%d changes of peers were watched", len(want))
}
