package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// trace is what members did with their shards, by shard and fence.
type trace struct {
	mu     sync.Mutex
	shards map[uint32]map[int64]*tenure
}

// tenure is one ownership: when its callback was called, and the first and the last
// write that was served under it.
type tenure struct{ began, first, last time.Time }

func (t *trace) owned(o member.Ownership) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(o).began = time.Now()
}

func (t *trace) of(o member.Ownership) *tenure {
	fences := t.shards[o.Shard]
	if fences == nil {
		fences = map[int64]*tenure{}
		t.shards[o.Shard] = fences
	}
	if fences[o.Fence] == nil {
		fences[o.Fence] = &tenure{}
	}
	return fences[o.Fence]
}

// serve is a write: it takes a moment in which its owner must stay the only one.
func (t *trace) serve(w http.ResponseWriter, r *http.Request) {
	o, ok := member.OwnershipOf(r.Context())
	if !ok {
		http.Error(w, "no ownership", http.StatusInternalServerError)
		return
	}
	began := time.Now()
	_, _ = io.Copy(io.Discard, r.Body)
	ended := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.of(o)
	if x.first.IsZero() || began.Before(x.first) {
		x.first = began
	}
	if ended.After(x.last) {
		x.last = ended
	}
	fmt.Fprintln(w, o.Fence)
}

// has reports whether a shard is, or was, owned with a fence.
func (t *trace) has(shard uint32, fence int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shards[shard][fence] != nil
}

// after is when a shard was owned with a higher fence for the first time.
func (t *trace) after(shard uint32, fence int64) (at time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f, x := range t.shards[shard] {
		if f > fence && !x.began.IsZero() && (!ok || x.began.Before(at)) {
			at, ok = x.began, true
		}
	}
	return at, ok
}

// two is the longest time for which a shard had two writers: a write of a lower
// fence ended after one of a higher fence had begun.
func (t *trace) two() (longest time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, fences := range t.shards {
		for low, x := range fences {
			for high, y := range fences {
				if low < high && !x.last.IsZero() && !y.first.IsZero() {
					longest = max(longest, x.last.Sub(y.first))
				}
			}
		}
	}
	return longest
}

// requests are sent to members at random, each once.
type requests struct {
	cancel                  context.CancelFunc
	workers                 sync.WaitGroup
	sent, answered, longest atomic.Int64
	mu                      sync.Mutex
	failures                []string
}

// startLoad sends requests with keys of all shards until it is stopped. A member
// that is being replaced is taken out first, as a load balancer does: its server
// still passes on what comes.
func (f *fleet) startLoad(ctx context.Context) *requests {
	ctx, cancel := context.WithCancel(ctx)
	l := &requests{cancel: cancel}
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: fleetClients}}
	for range fleetClients {
		l.workers.Go(func() {
			for ctx.Err() == nil {
				l.sent.Add(1)
				began := time.Now()
				if err := f.send(c); err != nil {
					l.mu.Lock()
					l.failures = append(l.failures, err.Error())
					l.mu.Unlock()
					continue
				}
				l.answered.Add(1)
				took := int64(time.Since(began))
				for old := l.longest.Load(); took > old && !l.longest.CompareAndSwap(old, took); old = l.longest.Load() {
				}
			}
		})
	}
	return l
}

func (l *requests) stop() {
	l.cancel()
	l.workers.Wait()
}

func (f *fleet) send(c *http.Client) error {
	k := f.any()
	res, err := c.Post(fmt.Sprintf("http://%s/?key=%d", k.addr, rand.IntN(1_000_000)), "text/plain", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	return err
}

// any is one of the members that run.
func (f *fleet) any() *keeper {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.nodes { // in no order
		return k
	}
	return nil
}

// facts is the highest number of events on the log, after a position, that named one
// shard from the start of its move to its handover.
func (f *fleet) facts(ctx context.Context, after int64) (most int, err error) {
	named := map[uint32]int{}
	for e, err := range f.mesh.client.Log.Tail(ctx, &controlv1.TailRequest{After: &after, UntilHead: true, Context: "shard"}) {
		if err != nil {
			return 0, err
		}
		list, begins, ends := "moves", false, false
		switch e.GetType() {
		case "ShardMoveStarted":
			begins = true
		case "ShardMoveReleasing":
		case "ShardsHandedOver":
			list, ends = "handovers", true
		default:
			continue
		}
		for _, move := range e.GetData().AsMap()[list].([]any) {
			shards, err := runs(move.(map[string]any))
			if err != nil {
				return 0, err
			}
			for _, shard := range shards {
				if begins {
					named[shard] = 0
				}
				if named[shard]++; ends {
					most = max(most, named[shard])
				}
			}
		}
	}
	return most, nil
}

// runs are the shards of a move, which are written "0-3,7".
func runs(move map[string]any) (shards []uint32, err error) {
	text, _ := move["shards"].(string)
	for part := range strings.SplitSeq(text, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return nil, err
		}
		to, err := strconv.ParseUint(last, 10, 32)
		if err != nil {
			return nil, err
		}
		for id := from; id <= to; id++ {
			shards = append(shards, uint32(id))
		}
	}
	return shards, nil
}
