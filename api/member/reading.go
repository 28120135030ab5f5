package member

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Reading says that this node reads a shard beside its owner. It has no fence and
// no lease: a reader may be one of the past for as long as no server is heard.
type Reading struct {
	Namespace string
	Shard     uint32
}

// String names the shard.
func (r Reading) String() string { return fmt.Sprintf("%s/%d", r.Namespace, r.Shard) }

// readings runs the callbacks of what this node reads. The goroutine that follows
// owns running; each callback has a goroutine of its own.
type readings struct {
	m       *Member
	life    context.Context
	running map[Reading]context.CancelCauseFunc
	wg      sync.WaitGroup
}

// read follows what this node reads until ctx ends. While no server answers it
// goes on with what it heard last.
func (m *Member) read(ctx context.Context) {
	r := &readings{m: m, life: ctx, running: map[Reading]context.CancelCauseFunc{}}
	defer r.wg.Wait()
	pauses := waits{min: rewatchMin, max: rewatchMax}
	for ctx.Err() == nil {
		err := r.follow(ctx, pauses.reset)
		if ctx.Err() != nil {
			return
		}
		m.log.Warn("watch of what is read ended, it begins anew", "error", err)
		pauses.pause(ctx)
	}
}

func (r *readings) follow(ctx context.Context, heard func()) error {
	snapshot, position := map[Reading]bool{}, int64(0)
	req := &controlv1.ShardWatchRequest{InvolvesNodeId: r.m.cfg.NodeID, Bookmarks: true}
	for n, err := range r.m.client.Shards.Watch(ctx, req) {
		if err != nil {
			return err
		}
		rec := n.GetCurrent()
		if rec == nil {
			rec = n.GetPrevious()
		}
		switch {
		case rec == nil && snapshot != nil: // the bookmark that ends it
			if n.GetPosition() < position {
				return errOldSnapshot
			}
			r.only(snapshot)
			snapshot = nil
		case rec != nil:
			shard, err := shardID(rec)
			if err != nil {
				return err
			}
			one := Reading{Namespace: rec.GetNamespace(), Shard: shard}
			reads := n.GetCurrent() != nil && slices.Contains(rec.GetReaderNodeIds(), r.m.cfg.NodeID)
			if snapshot == nil {
				r.set(one, reads)
			} else if snapshot[one] = reads; !reads {
				delete(snapshot, one)
			}
		}
		position = max(position, n.GetPosition())
		heard()
	}
	return nil
}

// only ends what is not in a snapshot and begins what is.
func (r *readings) only(now map[Reading]bool) {
	for one := range r.running {
		if !now[one] {
			r.set(one, false)
		}
	}
	for one := range now {
		r.set(one, true)
	}
}

func (r *readings) set(one Reading, reads bool) {
	end, running := r.running[one]
	switch {
	case running && !reads:
		end(ErrReleased)
		delete(r.running, one)
	case !running && reads:
		ctx, cancel := context.WithCancelCause(r.life)
		r.running[one] = cancel
		r.wg.Go(func() {
			defer cancel(nil)
			r.run(ctx, one)
		})
	}
}

// run calls the callback until the reading ends: again, after a while, when it
// returned by itself.
func (r *readings) run(ctx context.Context, one Reading) {
	pauses := waits{min: giveBackMin, max: giveBackMax}
	for ctx.Err() == nil {
		began := time.Now()
		if err := r.call(ctx, one); err != nil && ctx.Err() == nil {
			r.m.log.Warn("reader returned an error, it is called again", "shard", one.String(), "error", err)
		}
		if time.Since(began) > giveBackMax {
			pauses.reset()
		}
		if ctx.Err() == nil {
			pauses.pause(ctx)
		}
	}
}

// call turns a panic into an error: other shards go on.
func (r *readings) call(ctx context.Context, one Reading) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("member: Read of %s panicked: %v\n%s", one, p, debug.Stack())
		}
	}()
	return r.m.cfg.Read(ctx, one)
}

// ReadRoute is where a key may be read.
type ReadRoute struct {
	Shard uint32
	// Owner is empty where nobody owns the shard.
	Owner string
	// Readers are the other nodes that read it, ascending. The caller must not
	// change them.
	Readers []string
	// Stale: no server was heard for some seconds.
	Stale bool
}

// RouteRead says who may be asked to read a key: its shard's readers, which may be
// behind, and its owner. [ErrUnowned] comes where there is neither.
func (m *Member) RouteRead(namespace, key string) (ReadRoute, error) {
	o, err := m.Route(namespace, key)
	route := ReadRoute{Shard: o.Shard, Owner: o.NodeID, Stale: o.Stale}
	if err != nil && !errors.Is(err, ErrUnowned) {
		return route, err
	}
	// The table may be newer than the one that Route saw, and then is shown.
	t := m.routes.find(namespace).table.Load()
	if o.Shard < t.count {
		route.Readers = t.sets[t.cell(o.Shard).readers]
	}
	if len(route.Readers) > 0 {
		err = nil
	}
	return route, err
}
