package placer_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// TestDrainUnderRules: what leaves a node goes where the rules allow it, as a drain
// and for no other reason, and the node reads nothing any more.
func TestDrainUnderRules(t *testing.T) {
	f := newFleet(t, 6, shard.Spec{ShardCount: 24, Readers: 1, Rules: &placement.Rules{
		Require: []placement.Selector{{Key: "disk", Values: []string{"ssd"}}},
	}})
	f.settle(t)
	if f.demo().Owned("n0") != 8 || f.demo().Reading("n0") == 0 {
		t.Fatalf("n0 owns %d and reads %d", f.demo().Owned("n0"), f.demo().Reading("n0"))
	}
	f.s.When(membership.Drain{NodeID: "n0"}).ThenDone()
	for range 20 {
		cmds := step(f.m)
		for _, c := range cmds {
			f.s.When(c).ThenDone()
			if r, ok := c.(shard.Rebalance); ok {
				if !r.Drain {
					t.Errorf("it asks for %+v", r)
				}
				f.release(r)
			}
		}
		if len(cmds) == 0 {
			break
		}
	}
	if f.demo().Owned("n0")+f.demo().Reading("n0") != 0 {
		t.Errorf("n0 owns %d and reads %d", f.demo().Owned("n0"), f.demo().Reading("n0"))
	}
	f.demo().Each(func(id uint32, sh *shard.Shard) bool {
		if (sh.Owner != "n2" && sh.Owner != "n4") || sh.Readers.Len() != 1 {
			t.Errorf("shard %d is owned by %q, read by %q", id, sh.Owner, sh.Readers)
		}
		return true
	})
}

// TestPausedTakesNoRoom: a paused shard whose owner died is nobody's until it is
// resumed. Counted on its reader, it kept what a drain has to move from the room there.
func TestPausedTakesNoRoom(t *testing.T) {
	f := newFleet(t, 3, shard.Spec{ShardCount: 3, Readers: 1, Rules: &placement.Rules{MaxPerNode: 2}})
	f.settle(t)
	id, reader := uint32(0), ""
	f.demo().Each(func(at uint32, sh *shard.Shard) bool {
		if sh.Owner == "n0" {
			id, reader = at, sh.Readers.Nodes()[0]
		}
		return true
	})
	leaves := map[string]string{"n1": "n2", "n2": "n1"}[reader]
	f.s.When(shard.Pause{Namespace: "demo", Shards: []uint32{id}}).ThenDone()
	f.lose(0)
	f.s.When(membership.Drain{NodeID: leaves}).ThenDone()
	for _, c := range step(f.m) {
		f.s.When(c).ThenDone()
		if r, ok := c.(shard.Rebalance); ok {
			f.release(r)
		}
	}
	if n := f.demo(); n.Owned(leaves) != 0 || n.Owned(reader) != 2 {
		t.Errorf("%s, which is drained, owns %d, and %s %d", leaves, n.Owned(leaves), reader, n.Owned(reader))
	}
}

// TestDrainOfTheLastReaders: where no node is left that anything could be placed on,
// a node that is being drained still reads nothing any more.
func TestDrainOfTheLastReaders(t *testing.T) {
	f := newFleet(t, 3, shard.Spec{ShardCount: 6, Readers: 1})
	f.settle(t)
	f.s.When(membership.Cordon{NodeID: "n0"}).ThenDone()
	f.s.When(membership.Cordon{NodeID: "n1"}).ThenDone()
	f.s.When(membership.Drain{NodeID: "n2"}).ThenDone()
	others := f.demo().Reading("n0") + f.demo().Reading("n1")
	if f.demo().Reading("n2") == 0 || others == 0 {
		t.Fatalf("n2 reads %d, the others %d", f.demo().Reading("n2"), others)
	}
	for _, c := range step(f.m) {
		f.s.When(c).ThenDone()
	}
	if n := f.demo().Reading("n2"); n != 0 || f.demo().Reading("n0")+f.demo().Reading("n1") != others {
		t.Errorf("n2 reads %d, n0 %d, n1 %d", n, f.demo().Reading("n0"), f.demo().Reading("n1"))
	}
	if cmds := step(f.m); len(cmds) != 0 {
		t.Errorf("it asks for %+v", cmds)
	}
}

// TestQuarantinedIsLeftAlone: a shard out of service is given neither an owner nor
// readers, and all others have theirs.
func TestQuarantinedIsLeftAlone(t *testing.T) {
	f := newFleet(t, 4, shard.Spec{ShardCount: 12, Readers: 2})
	f.settle(t)
	one, most := uint32(1), uint32(100)
	f.s.When(policy.SetQuarantine{Deaths: &one, MaxAtOnce: &most}).ThenDone()
	f.s.When(membership.CloseSession{NodeID: "n0", Session: f.nodes[0].Session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED}).ThenDone()
	f.nodes = f.nodes[1:]
	f.settle(t)
	out := 0
	f.demo().Each(func(id uint32, sh *shard.Shard) bool {
		if sh.Quarantined() {
			out++
		}
		if sh.Quarantined() != (sh.Owner == "") || sh.Quarantined() != (sh.Readers == "") {
			t.Errorf("shard %d: owner %q, readers %q, quarantined %t", id, sh.Owner, sh.Readers, sh.Quarantined())
		}
		return true
	})
	if out != 3 {
		t.Errorf("%d shards are out of service, want the 3 that n0 had", out)
	}
}
