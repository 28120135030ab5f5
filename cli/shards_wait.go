package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// moveWait bounds the wait for moves beyond what the control plane gives them: two
// stages of 30 s.
const moveWait = 90 * time.Second

// awaitMoves follows moves to their end, from a position on. It is an error when
// one of them does not end at its target.
func awaitMoves(c *call, namespace string, ids []string, to string, position int64) error {
	ctx, cancel := context.WithTimeout(c.feed, moveWait)
	defer cancel()
	w := &moveWaiter{c: c, to: to, open: map[string]string{}}
	req := &controlv1.BatchGetShardsRequest{MinPosition: position}
	for _, id := range ids {
		w.open[id] = ""
		req.Refs = append(req.Refs, &controlv1.ShardRef{Namespace: namespace, ShardId: id})
	}
	now, err := c.client.Shards.BatchGet(ctx, req)
	if err != nil {
		return err
	}
	for i, s := range now.GetShards() {
		w.take(ids[i], s, "")
	}
	if len(w.open) == 0 {
		return w.result()
	}
	for n, err := range c.client.Shards.Watch(ctx, &controlv1.ShardWatchRequest{Namespace: namespace, ResumeToken: now.GetPosition()}) {
		if err != nil {
			return err
		}
		row, _ := shardOf(n)
		if _, waits := w.open[row.GetShardId()]; !waits {
			continue
		}
		if w.take(row.GetShardId(), n.GetCurrent(), n.GetHistory().GetEvent()); len(w.open) == 0 {
			return w.result()
		}
	}
	return ctx.Err()
}

// moveWaiter knows which moves are in flight, by shard id, and what was last said
// of them.
type moveWaiter struct {
	c      *call
	to     string
	open   map[string]string
	failed []string
}

// take takes a row; event is what changed it, nil that it is no more.
func (w *moveWaiter) take(id string, s *controlv1.ShardRecord, event string) {
	switch {
	case s.GetOwnerNodeId() == w.to:
		w.say(id, "owned by "+w.to)
		delete(w.open, id)
	case s != nil && s.GetMoveToNodeId() == w.to:
		phase := v1json.EnumWord(s.GetMovePhase())
		if s.GetOwnerNodeId() == "" {
			phase = "without an owner"
		}
		w.say(id, phase)
	default:
		if event == "" {
			event = "ended otherwise"
		}
		w.say(id, event)
		delete(w.open, id)
		w.failed = append(w.failed, fmt.Sprintf("%s (%s)", id, event))
	}
}

// say shows progress, to a person only, and nothing twice.
func (w *moveWaiter) say(id, what string) {
	if w.open[id] == what || !isTerminal(w.c.App.ErrWriter) {
		return
	}
	w.open[id] = what
	fmt.Fprintf(w.c.App.ErrWriter, "shard %s: %s\n", id, what)
}

func (w *moveWaiter) result() error {
	if len(w.failed) == 0 {
		return nil
	}
	return fmt.Errorf("not moved to %s: shard %s", w.to, strings.Join(w.failed, ", "))
}
