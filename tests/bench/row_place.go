package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/loop"
	"github.com/omnirelay/omnirelay/ops/placer"
)

// place: a namespace is created and all its shards are placed; then a session
// is closed, as the keeper of sessions does when a lease has ended. Both end when
// the projection shows the last shard with an owner.
func place(ctx context.Context, r *run) error {
	shards, nodes := 100_000/r.scale, 1000/r.scale
	var created, model, lost, moved []float64
	for range r.reps {
		w, err := r.placeOnce(ctx, shards, nodes)
		if err != nil {
			return err
		}
		created, model = append(created, w.created.Seconds()), append(model, w.model.Seconds())
		lost = append(lost, w.lost.Seconds())
		moved = append(moved, float64(w.others))
	}
	what := fmt.Sprintf("%d shards on %d nodes", shards, nodes)
	r.add("create and place "+what+", until the projection shows it", seconds, atMost(seconds, 2), created, nil)
	r.add("the same, until the log and the write model have it", seconds, goal{}, model, nil)
	r.add("lose one of the nodes, until its shards are placed", seconds, atMost(seconds, 2), lost, nil)
	r.add("shards of other nodes that moved for it", count, atMost(count, 0), moved, nil)
	return nil
}

// placed is what one repetition came to.
type placed struct {
	// model is when the write model had an owner for each shard, created when the
	// projection showed it.
	created, model, lost time.Duration
	others               int // shards that moved and were not the lost node's
}

func (r *run) placeOnce(ctx context.Context, shards, nodes int) (w placed, err error) {
	l, err := r.newLab(ctx)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	dir, err := r.temp("rows")
	if err != nil {
		return w, err
	}
	rows, err := startProjector(ctx, l.store, dir, tables()...)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, rows.stop()) }()
	stop := l.control(ctx)
	defer stop()
	if err := l.start(ctx); err != nil {
		return w, err
	}
	workers, err := l.workers(ctx, nodes)
	if err != nil {
		return w, err
	}
	began := time.Now()
	if _, err := l.seq.Submit(ctx, commands.Request{Actor: "user/bench", Reason: "bench", Command: shard.Create{
		Namespace: "big", Spec: shard.Spec{
			ShardCount: uint32(shards), Strategy: "optimal", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, EligibleRole: "worker",
		},
	}}); err != nil {
		return w, err
	}
	at, err := l.awaitPlaced(ctx, "big")
	if err != nil {
		return w, err
	}
	w.model = time.Since(began)
	if err := rows.rows.WaitFor(ctx, at); err != nil {
		return w, err
	}
	w.created = time.Since(began)
	before := l.owners("big")
	began = time.Now()
	gone := workers[nodes/2]
	if _, err := l.seq.Submit(ctx, commands.Request{Actor: "node/s1", Reason: "lease ended", Command: membership.CloseSession{
		NodeID: gone.id, Session: gone.session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED,
	}}); err != nil {
		return w, err
	}
	if at, err = l.awaitPlaced(ctx, "big"); err != nil {
		return w, err
	}
	if err := rows.rows.WaitFor(ctx, at); err != nil {
		return w, err
	}
	w.lost = time.Since(began)
	w.others, err = compareOwners(before, l.owners("big"), gone.id)
	return w, err
}

// control runs the placer until it is stopped.
func (l *lab) control(ctx context.Context) (stop func()) {
	runner := loop.New(loop.Config{Server: "s1", Sequencer: l.seq, Logger: quiet()}, placer.New())
	l.stored = runner.Wake
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		_ = runner.Run(ctx)
		close(done)
	}()
	return func() { cancel(); <-done }
}

// awaitPlaced waits until every shard has an owner in the write model, and
// returns the position at which that was so.
func (l *lab) awaitPlaced(ctx context.Context, namespace string) (at events.Position, err error) {
	err = eventually(ctx, startWithin, "all shards have owners", func() error {
		v := l.seq.View()
		ns, ok := v.Model.Shard.Namespace(namespace)
		if !ok {
			return errors.New("there is no namespace")
		}
		at = v.Mark.Position
		if n := ns.Unowned(); n > 0 {
			return fmt.Errorf("%d have none", n)
		}
		return nil
	})
	return at, err
}

func (l *lab) owners(namespace string) []string {
	ns, _ := l.seq.View().Model.Shard.Namespace(namespace)
	out := make([]string, 0, ns.Len())
	ns.Each(func(_ uint32, sh *shard.Shard) bool {
		out = append(out, sh.Owner)
		return true
	})
	return out
}

// compareOwners counts the shards that moved and were not the lost node's; it is
// an error if one of the lost node's is still there.
func compareOwners(before, after []string, lost string) (others int, err error) {
	for i := range before {
		switch {
		case after[i] == lost || after[i] == "":
			return 0, fmt.Errorf("shard %d is owned by %q after %s was lost", i, after[i], lost)
		case before[i] != lost && after[i] != before[i]:
			others++
		}
	}
	return others, nil
}
