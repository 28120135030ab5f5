package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func (w *World) ctx() context.Context { return context.Background() }

// client is an operator who repeats, with the same key, what was not answered.
type client struct {
	w    *World
	name string
	n    int
	ops  []*op
}

// op is one command of a client and what it was answered.
type op struct {
	request  commands.Request
	attempts int
	// open: some attempt may have been done, for all that its caller was told.
	// told counts the attempts that were answered.
	open bool
	told int
	// position of the receipt; 0 while none came.
	position events.Position
	rejected bool
	ended    bool
}

func newClient(w *World, name string) *client {
	c := &client{w: w, name: name}
	w.after(w.between(0, time.Second), c.next)
	return c
}

func (c *client) next() {
	if c.w.calm {
		return
	}
	c.w.after(c.w.between(5*time.Millisecond, 600*time.Millisecond), c.next)
	cmd := c.command()
	c.n++
	o := &op{request: commands.Request{
		Actor: c.name, Reason: "sim", Command: cmd, Key: c.w.key(), Hash: events.HashOf(fmt.Appendf(nil, "%#v", cmd)),
	}}
	c.ops = append(c.ops, o)
	c.try(o)
}

// key is a UUIDv7 of now.
func (w *World) key() commands.Key {
	var k commands.Key
	ms := (epoch + w.now) / int64(time.Millisecond)
	for i := range 6 {
		k[i] = byte(ms >> (40 - 8*i))
	}
	for i := 6; i < len(k); i++ {
		k[i] = byte(w.rng.Uint32())
	}
	k[6], k[8] = 0x70|k[6]&0xf, 0x80|k[8]&0x3f
	return k
}

func (c *client) command() commands.Command {
	w := c.w
	node := fmt.Sprintf("n%d", 1+w.rng.IntN(w.cfg.Members))
	var ids []uint32
	for range 1 + w.rng.IntN(3) {
		ids = append(ids, uint32(w.rng.IntN(int(w.cfg.Shards))))
	}
	switch w.rng.IntN(19) {
	case 0:
		return membership.Cordon{NodeID: node}
	case 1, 2:
		return membership.Uncordon{NodeID: node}
	case 3:
		return shard.Pause{Namespace: "demo", Shards: ids}
	case 4, 5:
		return shard.Resume{Namespace: "demo", Shards: ids}
	case 6:
		return shard.Create{Namespace: "extra", Spec: shard.Spec{ShardCount: 1 + uint32(w.rng.IntN(6)), Strategy: []string{"ring", "rendezvous", "optimal"}[w.rng.IntN(3)], Readers: uint32(w.rng.IntN(3))}}
	case 7:
		return shard.Delete{Namespace: "extra"}
	case 8:
		return shard.CancelMoves{Namespace: "demo", Shards: ids}
	case 10:
		return membership.Drain{NodeID: node, Within: time.Duration(1+w.rng.IntN(8)) * time.Second}
	case 11:
		return membership.CancelDrain{NodeID: node}
	case 12:
		return c.window(node)
	case 13:
		return membership.Uncordon{NodeID: node}
	case 9:
		return membership.Update{NodeID: node, Labels: map[string]string{"n": fmt.Sprint(c.n)}}
	case 14:
		return shard.Unquarantine{Namespace: "demo", Shards: ids}
	case 15:
		return c.schedule(node, ids)
	}
	return c.move(ids, node)
}

// window makes a maintenance window that is over when the storm is, or ends one.
func (c *client) window(node string) commands.Command {
	w := c.w
	name := fmt.Sprintf("w%d", 1+w.rng.IntN(3))
	switch w.rng.IntN(6) {
	case 0:
		return policy.DeleteMaintenance{Name: name}
	case 1:
		return policy.EndMaintenance{Name: name}
	}
	now := epoch + w.now
	return policy.CreateMaintenance{
		Name: name, NodeIDs: []string{node}, Selectors: []string{"n"}, Impact: eventsv1.MaintenanceImpact(1 + w.rng.IntN(3)),
		Start: now + int64(w.between(-2*time.Second, 3*time.Second)), End: now + int64(w.between(4*time.Second, 12*time.Second)),
	}
}

// schedule is a command about a schedule. Those that do something are due once,
// and soon, so that none disturbs a mesh at rest; the one that is due again and
// again is always rejected.
func (c *client) schedule(node string, ids []uint32) commands.Command {
	rng := c.w.rng
	retry := schedule.Retry{Attempts: 2, Backoff: time.Second}
	switch rng.IntN(6) {
	case 0:
		return schedule.Create{Name: "again", Timing: schedule.Timing{Every: 10 * time.Second}, Retry: retry, Skip: rng.IntN(2) == 0,
			Action: schedule.Action{Verb: schedule.ResumeShards, Namespace: "none", Shards: ids}}
	case 1:
		return []commands.Command{schedule.Pause{Name: "again"}, schedule.Resume{Name: "again"}, schedule.Remove{Name: "again"}}[rng.IntN(3)]
	}
	action := schedule.Action{Verb: schedule.Uncordon, NodeID: node}
	if rng.IntN(2) == 0 {
		action = schedule.Action{Verb: []schedule.Verb{schedule.ResumeShards, schedule.MoveShards, schedule.Unquarantine}[rng.IntN(3)],
			Namespace: "demo", Shards: ids, NodeID: node}
	}
	return schedule.Create{Name: fmt.Sprintf("once-%d", c.n), Timing: schedule.Timing{After: c.w.between(100*time.Millisecond, 4*time.Second)},
		Action: action, Retry: retry, Skip: rng.IntN(2) == 0}
}

func (c *client) try(o *op) {
	if o.ended || o.attempts > 8 {
		return
	}
	o.attempts++
	attempt := o.attempts
	c.w.after(3*time.Second, func() {
		if !o.ended && o.attempts == attempt {
			c.try(o)
		}
	})
	s := c.w.servers[c.w.rng.IntN(len(c.w.servers))]
	there, lost := c.w.network()
	if lost {
		return
	}
	s.deliver(there, func() {
		s.command(o.request, c.w.between(50*time.Millisecond, 4*time.Second), func(a sequencer.Answer) {
			back, lost := c.w.network()
			if !lost {
				c.w.after(back, func() { c.answered(o, a) })
			}
		})
	})
}

func (c *client) answered(o *op, a sequencer.Answer) {
	var rejected *commands.Rejected
	o.told++
	switch {
	case a.Err == nil:
		if o.position != 0 && o.position != a.Receipt.Position && len(a.Receipt.Events) > 0 {
			c.w.fail("A2: %s was answered with position %d and %d", o.request.Command.CommandName(), o.position, a.Receipt.Position)
		}
		if len(a.Receipt.Events) > 0 || a.Receipt.Replayed {
			o.position = a.Receipt.Position
		}
		o.ended = true
	case errors.As(a.Err, &rejected):
		o.rejected, o.ended = true, true
	default:
		o.open = o.open || errors.Is(a.Err, sequencer.ErrOutcomeUnknown)
		c.w.after(c.w.between(20*time.Millisecond, 300*time.Millisecond), func() { c.try(o) })
	}
}
