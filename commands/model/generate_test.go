package model_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// draw makes commands that are plausible in the state of a model: mostly good,
// sometimes stale, now and then wrong. Its choices come from one number per
// frame: rapid's own prefer small numbers and would seldom come to the later
// ones. So it is frames that a failure is shrunk by.
type draw struct {
	rnd *rand.Rand
	m   *model.Model
}

func (d draw) int(n int) int   { return d.rnd.IntN(n) }
func (d draw) rarely() bool    { return d.int(8) == 0 }
func (d draw) node() string    { return fmt.Sprintf("n%d", d.int(4)) }
func (d draw) name() string    { return []string{"a", "b"}[d.int(2)] }
func (d draw) scope() string   { return []string{"x", "y/z", "shard/a/0"}[d.int(3)] }
func (d draw) server() string  { return []string{"s0", "s1"}[d.int(2)] }
func (d draw) weight() float64 { return float64(1+d.int(3)) / 2 }

// live is mostly a node with a session that takes shards.
func (d draw) live() string {
	for range 6 {
		if n, ok := d.m.Membership.Node(d.node()); ok && n.Session != 0 && n.Lifecycle == membership.Active {
			return n.NodeID
		}
	}
	return d.node()
}

// owner is mostly a node that owns shards of the namespace.
func (d draw) owner(name string) string {
	ns, ok := d.m.Shard.Namespace(name)
	for range 6 {
		if id := d.node(); ok && ns.Owned(id) > 0 {
			return id
		}
	}
	return d.node()
}

// existing is mostly a namespace that is there.
func (d draw) existing() string {
	for range 4 {
		name := d.name()
		if _, ok := d.m.Shard.Namespace(name); ok {
			return name
		}
	}
	return d.name()
}

// session is the present one of a node, or any other position.
func (d draw) session(id string) events.Position {
	if n, ok := d.m.Membership.Node(id); ok && !d.rarely() {
		return n.Session
	}
	return events.Position(d.int(int(d.m.Position) + 2))
}

func (d draw) labels() map[string]string {
	if d.int(3) > 0 {
		return nil
	}
	return map[string]string{[]string{"k", "l"}[d.int(2)]: []string{"", "v", "w"}[d.int(3)]}
}

func (d draw) descriptor() membership.Descriptor {
	role := "worker"
	if d.rarely() {
		role = "gateway"
	}
	return membership.Descriptor{NodeID: d.node(), Role: role, Weight: d.weight(), Labels: d.labels()}
}

// secret of a node: its own, or another process's.
func (d draw) secret(id string) events.Hash {
	if d.rarely() {
		id += "'"
	}
	return events.HashOf([]byte(id))
}

// shards picks ids of a namespace that satisfy want, and seldom any others.
func (d draw) shards(ns string, want func(*shard.Shard) bool) []uint32 {
	n, ok := d.m.Shard.Namespace(ns)
	if !ok {
		return []uint32{0}
	}
	var ids []uint32
	n.Each(func(id uint32, sh *shard.Shard) bool {
		if want(sh) {
			ids = append(ids, id)
		}
		return true
	})
	if len(ids) == 0 || d.rarely() {
		return []uint32{uint32(d.int(int(n.Len()) + 1))}
	}
	from := d.int(len(ids))
	return ids[from : from+1+d.int(len(ids)-from)]
}

func (d draw) quarantinePolicy() commands.Command {
	deaths, window, most := uint32(1+d.int(4)/3), []time.Duration{time.Second, 2 * time.Hour}[(d.int(3)+1)/2], []uint32{3, 100, 100, 100, 0}[d.int(5)]
	off := d.int(64) == 0
	return policy.SetQuarantine{Deaths: &deaths, Window: &window, MaxAtOnce: &most, Disabled: &off}
}

// schedule is a command about schedules, mostly an attempt at a due.
func (d draw) schedule() commands.Command {
	name := []string{"s", "t"}[d.int(2)]
	if one, ok := d.m.Schedule.Schedule(name); ok && d.int(3) > 0 {
		if one.Paused && !d.rarely() {
			return schedule.Resume{Name: name}
		}
		return schedule.Fire{Name: name, Due: one.Due - int64(d.int(8)/7), Attempt: one.Attempt + uint32(d.int(8)/7)}
	}
	switch d.int(8) {
	case 0:
		return schedule.Remove{Name: name}
	case 1, 2, 3:
		return schedule.Pause{Name: name}
	}
	timings := []schedule.Timing{{After: time.Second}, {Every: time.Minute}, {Cron: "*/7 * * * *"}, {}}
	return schedule.Create{Name: name, Timing: timings[d.int(len(timings))], Action: d.action(), Skip: d.int(2) == 0,
		Retry: schedule.Retry{Attempts: uint32(d.int(4))}}
}

func (d draw) action() schedule.Action {
	name := d.existing()
	switch d.int(8) {
	case 6:
		return schedule.Action{Verb: schedule.Drain, NodeID: d.node(), Within: time.Duration(d.int(3)) * time.Second}
	case 7:
		return schedule.Action{Verb: schedule.CancelDrain, NodeID: d.node()}
	case 0:
		return schedule.Action{Verb: schedule.Cordon, NodeID: d.node()}
	case 1:
		return schedule.Action{Verb: schedule.Uncordon, NodeID: d.node()}
	case 2:
		return schedule.Action{Verb: schedule.MoveShards, Namespace: name, Shards: d.shards(name, ownedShard), NodeID: d.live()}
	case 3:
		return schedule.Action{Verb: schedule.PauseShards, Namespace: name, Shards: d.shards(name, anyShard)}
	case 4:
		return schedule.Action{Verb: schedule.ResumeShards, Namespace: name, Shards: d.shards(name, func(sh *shard.Shard) bool { return sh.Paused })}
	}
	return schedule.Action{Verb: schedule.Unquarantine, Namespace: name, Shards: d.shards(name, (*shard.Shard).Quarantined)}
}

func anyShard(*shard.Shard) bool      { return true }
func unowned(sh *shard.Shard) bool    { return sh.Owner == "" && !sh.Paused && !sh.Quarantined() }
func ownedShard(sh *shard.Shard) bool { return sh.Owner != "" && !sh.Paused && sh.MoveTo == "" }
func movingShard(sh *shard.Shard) bool {
	return sh.MoveTo != ""
}

func (d draw) command() commands.Command {
	switch {
	case d.m.Control.Sealed != 0 && d.int(3) == 0:
		return control.Unseal{}
	case d.int(100) == 0:
		return []commands.Command{control.Seal{}, control.Unseal{}, control.SettleEra{Era: 1}}[d.int(3)]
	}
	switch k := d.int(20); {
	case k == 0 && d.int(2) == 0:
		return d.presence()
	case k < 3:
		return d.membership()
	case k < 6:
		return d.leadership()
	case k < 9:
		return d.namespace()
	case k == 9 && d.int(3) == 0:
		return policy.SetSession{TTL: time.Duration(d.int(4)) * time.Second}
	case k == 9 && d.int(3) == 0:
		return d.quarantinePolicy()
	case k == 9 || k == 10 && d.int(2) == 0:
		return d.drain()
	case k == 19 || k == 18 && d.int(2) == 0:
		return d.schedule()
	case k == 10 && d.rarely():
		return control.StartEra{Cluster: "c1"}
	case k < 14:
		if c := d.pending(); c != nil {
			return c
		}
	}
	return d.ownership()
}

// pending finishes something that waits, as controllers do; nil if nothing
// does. It is what makes rare commands frequent enough.
func (d draw) pending() commands.Command {
	var all []commands.Command
	d.m.Leadership.EachScope(func(sc leadership.Scope) bool {
		if sc.Holder == "" {
			all = append(all, leadership.Elect{Scopes: []string{sc.Name}})
		}
		return true
	})
	d.m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		if out := d.shards(ns.Name, (*shard.Shard).Quarantined); !ns.Deleting && ns.Shard(out[0]) != nil && ns.Shard(out[0]).Quarantined() {
			all = append(all, shard.Unquarantine{Namespace: ns.Name, Shards: out})
		}
		moves := d.shards(ns.Name, movingShard)
		if id := d.owner(ns.Name); ns.Owned(id) > 0 && (ns.Spec.OwnershipTTL > 0 || ns.Spec.Ownership == eventsv1.Ownership_OWNERSHIP_STICKY) {
			n, _ := d.m.Membership.Node(id)
			all = append(all, membership.CloseSession{NodeID: id, Session: n.Session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED})
		}
		switch {
		case ns.Deleting && ns.Unowned() == int(ns.Len()):
			all = append(all, shard.FinishDelete{Namespace: ns.Name})
		case ns.Moving() > 0 && !ns.Deleting:
			all = append(all, shard.CancelMoves{Namespace: ns.Name, Shards: moves, TargetLost: d.int(2) == 0},
				shard.FailMoves{Namespace: ns.Name, Shards: moves}, d.askRelease(ns.Name), d.askRelease(ns.Name))
		}
		return true
	})
	d.m.Shard.EachSilent(func(ns *shard.Namespace, node string, session events.Position) bool {
		all = append(all, shard.ExpireOwnership{NodeID: node, Session: session, Namespaces: []string{ns.Name, d.name()}})
		if n, _ := d.m.Membership.Node(node); n.Session == 0 {
			all = append(all, membership.OpenSession{
				Node:       membership.Descriptor{NodeID: node, Role: "worker", Weight: 1},
				SecretHash: d.secret(node), Incarnation: n.Incarnation + 1,
			})
		} else if ids := ns.SilentShards(node, session); len(ids) > 0 {
			ids = ids[d.int(len(ids)):]
			all = append(all, shard.Rebind{Namespace: ns.Name, NodeID: node, From: session, Session: n.Session, Shards: ids}, shard.Rebind{Namespace: ns.Name, NodeID: node, From: session, Session: d.session(node), Shards: ids})
		}
		return true
	})
	d.m.Membership.EachNode(func(n membership.Node) bool {
		switch {
		case n.Lifecycle != membership.Draining:
		case d.m.Owns(n.NodeID) == 0 && d.int(2) == 0:
			all = append(all, membership.FinishDrain{NodeID: n.NodeID, Session: n.Session})
		case d.int(3) == 0:
			all = append(all, membership.CancelDrain{NodeID: n.NodeID})
		}
		return true
	})
	for _, id := range d.m.MaintenanceDue(d.m.Time) {
		all = append(all, membership.Maintain{NodeID: id})
	}
	d.m.Policy.EachWindow(func(w *policy.Window) bool {
		if d.int(6) == 0 {
			all = append(all, policy.EndMaintenance{Name: w.Name}, policy.DeleteMaintenance{Name: w.Name})
		}
		return true
	})
	if len(all) == 0 {
		return nil
	}
	return all[d.int(len(all))]
}

func (d draw) membership() commands.Command {
	id := d.node()
	switch d.int(8) {
	case 0, 1, 2:
		node := d.descriptor()
		return membership.OpenSession{Node: node, SecretHash: d.secret(node.NodeID), Incarnation: uint64(1 + d.int(8))}
	case 3:
		if d.int(2) == 0 { // whose death counts against something
			id = d.owner(d.existing())
		}
		return membership.CloseSession{NodeID: id, Session: d.session(id), Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}
	case 4:
		return membership.Leave{NodeID: id, Session: d.session(id), SecretHash: d.secret(id)}
	case 5:
		return membership.Cordon{NodeID: id}
	case 6:
		d.m.Membership.EachNode(func(n membership.Node) bool {
			if n.Lifecycle == membership.Cordoned {
				id = n.NodeID
			}
			return n.Lifecycle != membership.Cordoned
		})
		return membership.Uncordon{NodeID: id}
	}
	w := d.weight()
	return membership.Update{NodeID: id, Labels: d.labels(), Weight: &w}
}

// drain is an operator's drain, a maintenance window, or what follows from either.
func (d draw) drain() commands.Command {
	id, window := d.node(), []string{"w1", "w2", "w3"}[d.int(3)]
	d.m.Membership.EachNode(func(n membership.Node) bool {
		if n.Lifecycle == membership.Draining {
			id = n.NodeID
		}
		return n.Lifecycle != membership.Draining || d.int(2) == 0
	})
	n, _ := d.m.Membership.Node(id)
	if n.Lifecycle == membership.Draining && !n.Stalled && d.m.Time >= n.DrainDeadline {
		return membership.StallDrain{NodeID: id, Blockers: []membership.Blocker{{Kind: "shard", Reference: "a/0", Reason: "paused"}}}
	}
	switch d.int(12) {
	case 0, 1:
		return membership.Drain{NodeID: id, Within: time.Duration(d.int(3)) * time.Minute}
	case 2, 6:
		return membership.CancelDrain{NodeID: id}
	case 3, 4, 5:
		return membership.FinishDrain{NodeID: id, Session: n.Session}
	case 7, 8:
		c := policy.CreateMaintenance{Name: window, NodeIDs: []string{d.node(), d.node()}, End: d.m.Time + int64(time.Hour),
			Impact: eventsv1.MaintenanceImpact(1 + d.int(3))}
		if d.int(2) == 0 {
			c.NodeIDs, c.Selectors = nil, []string{"a"}
		}
		return c
	case 9:
		if d.int(3) == 0 {
			return policy.DeleteMaintenance{Name: window}
		}
		d.m.Policy.EachWindow(func(w *policy.Window) bool { window = w.Name; return d.int(2) == 0 })
		return policy.EndMaintenance{Name: window}
	}
	if due := d.m.MaintenanceDue(d.m.Time); len(due) > 0 {
		id = due[d.int(len(due))]
	}
	return membership.Maintain{NodeID: id}
}

// presence is what a server says of itself, or the control leader of it.
func (d draw) presence() commands.Command {
	id := d.server()
	n, known := d.m.Membership.Node(id)
	switch {
	case !known || n.Role != membership.ServerRole || d.rarely():
		return membership.JoinServer{Node: membership.Descriptor{NodeID: id, Weight: 1, Labels: d.labels()}}
	case n.Lost != 0 && d.int(3) > 0 || d.rarely():
		return membership.ReturnServer{NodeID: id}
	}
	return membership.LoseServer{NodeID: id, Cause: eventsv1.ServerLossCause(1 + d.int(2))}
}

func (d draw) leadership() commands.Command {
	id := d.node()
	switch d.int(7) {
	case 0, 1, 2:
		id = d.live()
		return leadership.Campaign{Scope: d.scope(), NodeID: id, Session: d.session(id), Priority: int32(d.int(3) - 1), Labels: d.labels()}
	case 3:
		sc, _ := d.m.Leadership.Scope(d.scope())
		if sc.Name == "" || d.rarely() {
			return leadership.Resign{Scope: d.scope(), NodeID: id, Session: d.session(id)}
		}
		return leadership.Resign{Scope: sc.Name, NodeID: sc.Holder, Term: sc.Term}
	case 5:
		// More than one candidate is what elections are about.
		return leadership.Campaign{Scope: "x", NodeID: id, Session: d.session(id), Priority: int32(d.int(3))}
	case 4:
		return leadership.Elect{Scopes: []string{d.scope(), d.scope()}}
	}
	return leadership.GrantControl{Server: d.server()}
}

// request puts a command under an actor and mostly under a key that is dated
// around log time, or sends one again that was sent before.
func (w *world) request(d draw) commands.Request {
	if len(w.retries) > 0 && d.int(6) == 0 {
		return w.retries[d.int(len(w.retries))]
	}
	req := commands.Request{Command: d.command(), Actor: []string{"user/a", "node/b"}[d.int(2)]}
	if _, controllers := req.Command.(schedule.Fire); controllers {
		return req // they use no key
	}
	if d.int(2) == 0 {
		base, around := w.now, time.Duration(0)
		if d.int(3) == 0 {
			base = w.stored.Time
			around = []time.Duration{-time.Second, 30 * time.Second, 61 * time.Second, -14 * time.Minute, -16 * time.Minute}[d.int(5)]
		}
		req.Key = keyAt(base+int64(around), d.rnd.Uint64())
		req.Hash = events.HashOf([]byte(req.Command.CommandName()))
		w.retries = append(w.retries, req)
	}
	return req
}

// keyAt is a UUIDv7 of this time, Unix nanoseconds.
func keyAt(at int64, random uint64) commands.Key {
	var k commands.Key
	binary.BigEndian.PutUint64(k[:8], uint64(max(at, 0)/1_000_000)<<16)
	binary.BigEndian.PutUint64(k[8:], random)
	k[6], k[8] = 0x70|k[6]&0x0f, 0x80|k[8]&0x3f
	return k
}
