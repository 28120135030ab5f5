package sim

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/drainer"
	"github.com/omnirelay/omnirelay/ops/handoff"
	"github.com/omnirelay/omnirelay/ops/loop"
	"github.com/omnirelay/omnirelay/ops/placer"
	"github.com/omnirelay/omnirelay/ops/rebinder"
)

// desk has the write model and the controllers that move shards, without servers,
// network or time: members do at once what the log asks of them. So it finds what
// the rules of several parts make of each other, not what is late or lost.
type desk struct {
	t    *rapid.T
	m    *model.Model
	next events.Position
	now  int64
	boot int64
	last map[string]uint64 // incarnations
	loop []loop.Controller
}

var deskNodes = []string{"n0", "n1", "n2", "n3"}

func newDesk(t *rapid.T) *desk {
	d := &desk{t: t, m: model.New(), next: 1, now: epoch, last: map[string]uint64{}}
	d.loop = []loop.Controller{rebinder.New(), handoff.New(d), placer.New(), drainer.New(d)}
	return d
}

// do decides and evolves a command.
func (d *desk) do(c commands.Command) error {
	evs, err := d.m.Decide(commands.Meta{Time: d.now, Actor: "user/x", Next: d.next}, c)
	if err != nil {
		return err
	}
	if len(evs) > 0 {
		f := &eventsv1.Frame{First: uint64(d.next), Time: d.now, Decisions: []*eventsv1.Decision{{
			Meta: &eventsv1.Meta{Actor: "user/x", Command: c.CommandName()}, Events: evs}}}
		d.m.EvolveFrame(f)
		d.next += events.Position(len(evs))
	}
	return nil
}

// each calls fn for all shards.
func (d *desk) each(fn func(ns *shard.Namespace, id uint32, sh *shard.Shard)) {
	d.m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			fn(ns, id, sh)
			return true
		})
		return true
	})
}

// EachPrepared implements handoff.Reports.
func (d *desk) EachPrepared(node string, _ events.Position, fn func(string, uint32, events.Position)) {
	d.each(func(ns *shard.Namespace, id uint32, sh *shard.Shard) {
		if sh.Preparing() && sh.MoveTo == node {
			fn(ns.Name, id, sh.Fence)
		}
	})
}

// EachReleased implements handoff.Reports.
func (d *desk) EachReleased(node string, session events.Position, fn func(string, uint32, events.Position)) {
	d.each(func(ns *shard.Namespace, id uint32, sh *shard.Shard) {
		if sh.Owner == node && sh.Session == session && !sh.Silent && (sh.Releasing() || ns.Deleting) {
			fn(ns.Name, id, sh.Fence)
		}
	})
}

// EachHeld implements drainer.Reports.
func (d *desk) EachHeld(node string, session events.Position, fn func(string, uint32, events.Position)) bool {
	d.each(func(ns *shard.Namespace, id uint32, sh *shard.Shard) {
		if sh.Owner == node && sh.Session == session {
			fn(ns.Name, id, sh.Fence)
		}
	})
	return true
}

// rounds is in how many steps of all controllers the mesh must come to rest.
const rounds = 60

// rests steps the controllers until none asks for anything. What one asks for is
// accepted, for it saw the newest model.
func (d *desk) rests() {
	for range rounds {
		asked := d.closes()
		for _, c := range d.loop {
			d.boot += int64(time.Second)
			cmds, _ := c.Step(sequencer.View{Model: d.m.Clone()}, sequencer.Now{Wall: d.now, Boot: d.boot})
			d.m = d.m.Clone()
			asked += len(cmds)
			for _, cmd := range cmds {
				if err := d.do(cmd); err != nil {
					d.t.Fatalf("%T asks for %s %+v: %v", c, cmd.CommandName(), cmd, err)
				}
			}
		}
		if asked == 0 {
			d.atRest()
			d.snapshot()
			return
		}
	}
	d.t.Fatalf("the controllers find no end in %d rounds", rounds)
}

// closes are what the keeper of sessions asks for without regard of time.
func (d *desk) closes() (asked int) {
	var cmds []commands.Command
	d.m.Membership.EachNode(func(n membership.Node) bool {
		if n.Closing != 0 {
			cmds = append(cmds, membership.CloseSession{NodeID: n.NodeID, Session: n.Session, Cause: n.Closing})
		}
		return true
	})
	d.m.Shard.EachSilent(func(ns *shard.Namespace, node string, session events.Position) bool {
		if d.m.Membership.Departed(node, session) {
			cmds = append(cmds, shard.ExpireOwnership{NodeID: node, Session: session, Namespaces: []string{ns.Name}})
		}
		return true
	})
	for _, c := range cmds {
		if err := d.do(c); err != nil {
			d.t.Fatalf("%+v: %v", c, err)
		}
	}
	return len(cmds)
}

// atRest: no drain waits for what nobody asks for, and nothing that can be owned is
// left lying.
func (d *desk) atRest() {
	d.m.Membership.EachNode(func(n membership.Node) bool {
		if n.Lifecycle == membership.Draining {
			p := drainer.Look(d.m, n, d, d.now)
			if blocked := len(p.Blockers) + p.MoreBlockers; blocked == 0 || p.Readings+p.Leaderships > 0 || p.Shards != blocked {
				d.t.Fatalf("the drain of %s rests at %+v", n.NodeID, p)
			}
		}
		return true
	})
	d.each(func(ns *shard.Namespace, id uint32, sh *shard.Shard) {
		able := 0
		for _, n := range deskNodes {
			if d.m.Assignable(n, ns.Spec.EligibleRole) == nil {
				able++
			}
		}
		switch {
		case ns.Deleting && sh.Owner != "" && !sh.Silent:
			d.t.Fatalf("%s is still being deleted: %d %+v", ns.Name, id, *sh)
		case sh.Moving() && !sh.Silent && !sh.Forced():
			d.t.Fatalf("%s/%d still moves: %+v", ns.Name, id, *sh)
		case sh.Owner == "" && able > 0 && !ns.Deleting && ns.Spec.Rules == nil && !sh.Paused && !sh.Quarantined():
			d.t.Fatalf("%s/%d lies there: %+v", ns.Name, id, *sh)
		}
	})
}

// snapshot goes on from the image of the model (T4): what is counted beside the
// shards must be as if it had been counted all along.
func (d *desk) snapshot() {
	image, err := d.m.Image()
	if err != nil {
		d.t.Fatal(err)
	}
	m, err := model.FromImage(image)
	if err != nil {
		d.t.Fatal(err)
	}
	if again, err := m.Image(); err != nil || !bytes.Equal(image, again) {
		d.t.Fatalf("T4: the image of an image differs (%v)", err)
	}
	if was, is := counted(d.m), counted(m); was != is {
		d.t.Fatalf("T4: counted were\n%s\nand from the image\n%s", was, is)
	}
	d.m = m
}

// counted are the counts that a state keeps beside its shards.
func counted(m *model.Model) string {
	var b strings.Builder
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		fmt.Fprintf(&b, "%s: %d unowned, %d quarantined, %d moving, read %t\n", ns.Name, ns.Unowned(), ns.Quarantined(), ns.Moving(), ns.Read())
		for _, n := range deskNodes {
			fmt.Fprintf(&b, "  %s owns %d, reads %d\n", n, ns.Owned(n), ns.Reading(n))
		}
		return true
	})
	m.Shard.EachSilent(func(ns *shard.Namespace, node string, session events.Position) bool {
		fmt.Fprintf(&b, "silent: %s %s %d\n", ns.Name, node, session)
		return true
	})
	fmt.Fprintf(&b, "%d in all", m.Shard.Total())
	return b.String()
}

// act is something that operators, nodes or time do; much of it is refused.
func (d *desk) act() {
	t := d.t
	node := rapid.SampledFrom(deskNodes).Draw(t, "node")
	name := rapid.SampledFrom([]string{"lease", "ride", "fenced", "sticky"}).Draw(t, "namespace")
	ids := []uint32{rapid.Uint32Range(0, 5).Draw(t, "shard")}
	n, _ := d.m.Membership.Node(node)
	var c commands.Command
	switch what := rapid.SampledFrom([]string{"open", "open", "expire", "leave", "cordon", "uncordon", "drain", "drain", "cancel",
		"pause", "resume", "move", "force", "release", "rules", "readers", "delete", "create", "overdue", "expire owner", "time"}).Draw(t, "what"); what {
	case "open":
		c = d.open(node)
	case "expire":
		c = membership.CloseSession{NodeID: node, Session: n.Session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}
	case "leave":
		c = membership.Leave{NodeID: node, Session: n.Session, SecretHash: events.HashOf([]byte(node))}
	case "cordon":
		c = membership.Cordon{NodeID: node}
	case "uncordon":
		c = membership.Uncordon{NodeID: node}
	case "drain":
		c = membership.Drain{NodeID: node}
	case "cancel":
		c = membership.CancelDrain{NodeID: node}
	case "pause":
		c = shard.Pause{Namespace: name, Shards: ids}
	case "resume":
		c = shard.Resume{Namespace: name, Shards: ids}
	case "move", "force":
		c = shard.Move{Namespace: name, Shards: ids, To: node, Force: what == "force"}
	case "release":
		c = shard.Unquarantine{Namespace: name, Shards: ids}
	case "rules":
		c = shard.Update{Namespace: name, Rules: d.rules()}
	case "readers":
		readers := rapid.Uint32Range(0, 2).Draw(t, "readers")
		c = shard.Update{Namespace: name, Readers: &readers}
	case "delete":
		c = shard.Delete{Namespace: name}
	case "create":
		c = d.create(name)
	case "overdue":
		c = shard.FailMoves{Namespace: name, Shards: ids}
	case "expire owner":
		d.expireOwners()
		return
	case "time":
		d.now += int64(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 11 * time.Minute}).Draw(t, "passes"))
		return
	}
	_ = d.do(c)
}

// expireOwners: the longest ownershipTTL has passed.
func (d *desk) expireOwners() {
	var cmds []commands.Command
	d.m.Shard.EachSilent(func(ns *shard.Namespace, node string, session events.Position) bool {
		if ns.SilenceEnds() {
			cmds = append(cmds, shard.ExpireOwnership{NodeID: node, Session: session, Namespaces: []string{ns.Name}})
		}
		return true
	})
	for _, c := range cmds {
		if err := d.do(c); err != nil {
			d.t.Fatalf("%+v: %v", c, err)
		}
	}
}

func (d *desk) open(node string) commands.Command {
	d.last[node]++
	return membership.OpenSession{SecretHash: events.HashOf([]byte(node)), Incarnation: d.last[node], Node: membership.Descriptor{
		NodeID: node, Role: "worker", Weight: 1, Zone: "z" + node[1:], Labels: map[string]string{"disk": []string{"ssd", "hdd"}[node[1]%2]},
	}}
}

func (d *desk) rules() *placement.Rules {
	r := &placement.Rules{MaxPerNode: rapid.SampledFrom([]uint32{0, 0, 2, 4}).Draw(d.t, "most")}
	if rapid.Bool().Draw(d.t, "require") {
		r.Require = []placement.Selector{{Key: "disk", Values: []string{"ssd"}}}
	}
	if rapid.Bool().Draw(d.t, "pin") {
		r.Pins = []placement.Pin{{Shards: []placement.Range{{First: 0, Count: 2}}, Nodes: []string{"n0", "n1"}}}
	}
	return r
}

func (d *desk) create(name string) commands.Command {
	spec := shard.Spec{ShardCount: 6, Readers: 1}
	switch name {
	case "ride":
		spec.OwnershipTTL = time.Minute
	case "fenced":
		spec.Ownership, spec.OwnershipTTL = eventsv1.Ownership_OWNERSHIP_FENCED, time.Minute
	case "sticky":
		spec.Ownership = eventsv1.Ownership_OWNERSHIP_STICKY
	}
	return shard.Create{Namespace: name, Spec: spec}
}

// TestTogether: whatever operators, nodes and time do to shards of all modes, with
// rules and readers, the controllers come to rest, ask for nothing that is refused,
// and leave no drain waiting for what nobody does.
func TestTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(rt)
		deaths, most := uint32(2), uint32(100)
		for _, c := range []commands.Command{
			policy.SetQuarantine{Deaths: &deaths, MaxAtOnce: &most},
			d.create("lease"), d.create("ride"), d.create("fenced"), d.create("sticky"), d.open("n0"), d.open("n1"), d.open("n2"),
		} {
			if err := d.do(c); err != nil {
				rt.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "acts") {
			d.act()
			if rapid.Bool().Draw(rt, "rest") {
				d.rests()
			}
		}
		d.rests()
	})
}
