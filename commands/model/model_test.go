package model_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// What the nodes adapter refuses is documented by the contexts that ask it.
func TestReasons(t *testing.T) {
	commandtest.CheckReasons(t, "model.go", "keys.go", "image.go")
}

// unknown is a command that no context knows, under any context's name.
type unknown string

func (u unknown) CommandName() string { return string(u) }

func TestDecideRefuses(t *testing.T) {
	s := commandtest.New(t, model.New())
	for _, name := range []string{"", "plan", "plan.Approve", "control.Stop"} {
		s.When(unknown(name)).ThenRejected("command_unknown")
	}
	for _, name := range []string{"membership.Dance", "leadership.Dance", "shard.Dance", "policy.Dance"} {
		s.When(unknown(name)).ThenInvalid("command")
	}
	// C4.
	s.As("").When(control.StartEra{Cluster: "c1"}).ThenRejected("actor_missing")
}

// small is a model in which every context holds something.
func small(t testing.TB) (*commandtest.Scenario, *model.Model) {
	m := model.New()
	s := commandtest.New(t, m)
	node := membership.Descriptor{NodeID: "n1", Role: "worker", Weight: 1, Labels: map[string]string{"b": "1", "a": "2"}}
	for _, cmd := range []commands.Command{
		control.StartEra{Cluster: "c1"},
		leadership.GrantControl{Server: "s1"},
		membership.OpenSession{Node: node, SecretHash: events.HashOf([]byte("n1")), Incarnation: 1}, // 3, 4
		shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 300}},
		shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: "n1", Session: 4, Shards: []uint32{0, 150}}}},
		leadership.Campaign{Scope: "x", NodeID: "n1", Session: 4},
	} {
		s.When(cmd).ThenDone()
	}
	return s, m
}

// recorded is an event at a position of its own.
func recorded(t testing.TB, at events.Position, m proto.Message) events.Recorded {
	return events.Recorded{Position: at, Decision: at, Time: commandtest.Start().UnixNano(),
		Meta: &eventsv1.Meta{Actor: "user/test"}, Event: commandtest.Event(t, m)}
}

// changes is an event of each kind that changes the small model.
func changes() []proto.Message {
	one := events.PackShards([]uint32{0})
	return []proto.Message{
		&eventsv1.EraStarted{ClusterId: "c1", Era: 2},
		&eventsv1.PolicySet{Kind: "session", Name: "default", Version: 1},
		&eventsv1.NodeCordoned{NodeId: "n1"},
		&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "n2"}},
		&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "s2", Role: "server"}},
		&eventsv1.ServerLost{NodeId: "s1", Cause: eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT},
		&eventsv1.SessionClosed{NodeId: "n1", Session: 4},
		&eventsv1.CandidacyDeclared{Scope: "x", NodeId: "n2", Session: 9},
		&eventsv1.LeadershipResigned{Scope: "x", NodeId: "n1", Term: 7},
		&eventsv1.NamespaceCreated{Namespace: "new", Spec: &eventsv1.NamespaceSpec{ShardCount: 1}},
		&eventsv1.NamespaceUpdated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: 500}},
		&eventsv1.NamespaceDeleting{Namespace: "demo"},
		&eventsv1.NamespaceDeleted{Namespace: "demo"},
		&eventsv1.ShardsReleased{Namespace: "demo", Releases: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 4, Shards: one}}},
		&eventsv1.ShardsPaused{Namespace: "demo", Shards: one},
	}
}

// TestCloneIsIndependent: whatever happens to a clone, the original stays.
func TestCloneIsIndependent(t *testing.T) {
	for _, change := range changes() {
		t.Run(string(change.ProtoReflect().Descriptor().Name()), func(t *testing.T) {
			_, m := small(t)
			before := image(t, m)
			c := m.Clone()
			if !bytes.Equal(before, image(t, c)) {
				t.Fatal("a clone has another image")
			}
			c.Evolve(recorded(t, 8, change))
			if bytes.Equal(before, image(t, c)) {
				t.Error("the event changes nothing, so this tests nothing")
			}
			if !bytes.Equal(before, image(t, m)) {
				t.Error("evolving a clone has changed its original")
			}
		})
	}
}

// TestFrozen: an evolve of a model that others read panics, whatever the event,
// and leaves it as it was.
func TestFrozen(t *testing.T) {
	for name, freeze := range map[string]func(*model.Model){
		"by Clone": func(m *model.Model) { m.Clone() }, "by Freeze": func(m *model.Model) { m.Freeze() },
	} {
		for _, change := range changes() {
			t.Run(name+"/"+string(change.ProtoReflect().Descriptor().Name()), func(t *testing.T) {
				_, m := small(t)
				freeze(m)
				before := image(t, m)
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
					if !bytes.Equal(before, image(t, m)) {
						t.Error("the frozen model has changed")
					}
				}()
				m.Evolve(recorded(t, 8, change))
			})
		}
	}
}

// TestFrozenShardState: the state of shards keeps the same promise by itself.
func TestFrozenShardState(t *testing.T) {
	for _, change := range changes()[9:] {
		_, m := small(t)
		m.Shard.Freeze()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T: no panic", change)
				}
			}()
			m.Shard.Evolve(recorded(t, 8, change))
		}()
	}
}

// TestReadersOfFrozen: anyone may read what is frozen while clones of it are
// made and evolve. The race detector is what sees a mistake here.
func TestReadersOfFrozen(t *testing.T) {
	_, m := small(t)
	m.Freeze()
	want := image(t, m)
	done := make(chan []byte)
	for range 3 {
		go func() {
			var b []byte
			for range 50 {
				b, _ = m.Image()
			}
			done <- b
		}()
	}
	for range 50 {
		c := m.Clone()
		for i, change := range changes() {
			c.Evolve(recorded(t, events.Position(8+i), change))
		}
	}
	for range 3 {
		if got := <-done; !bytes.Equal(want, got) {
			t.Error("a reader saw a change")
		}
	}
}

// TestUnknownEvent: an event of a newer release is counted, noted once, and
// changes nothing else (T6).
func TestUnknownEvent(t *testing.T) {
	s, m := small(t)
	s.When(membership.Cordon{NodeID: "n1"}).ThenDone() // 8
	future := func(at events.Position) events.Recorded {
		return events.Recorded{Position: at, Decision: at, Time: m.Time, Meta: &eventsv1.Meta{Actor: "user/test"}, Event: &eventsv1.Event{}}
	}
	m.Evolve(future(9))
	m.Evolve(future(10))
	if m.Unknown != 9 || m.Position != 10 {
		t.Errorf("unknown since %d at position %d, want 9 and 10", m.Unknown, m.Position)
	}
	r := restored(t, image(t, m))
	if r.Unknown != 9 || r.Clone().Unknown != 9 {
		t.Error("a snapshot or a clone forgets that there was an unknown event")
	}
	if n, _ := m.Membership.Node("n1"); n.Lifecycle != membership.Cordoned || n.Version != 3 {
		t.Errorf("the unknown events have changed n1: %+v", n)
	}
}

// TestImage: an image says everything, in bytes that only depend on what it
// says, and nothing else is read as one.
func TestImage(t *testing.T) {
	_, a := small(t)
	_, b := small(t)
	if !bytes.Equal(image(t, a), image(t, b)) {
		t.Error("the same history has two images")
	}
	ha, err := a.Hash()
	if err != nil || ha != events.HashOf(image(t, a)) {
		t.Errorf("hash %s, %v", ha, err)
	}
	r := restored(t, image(t, a))
	if diff := cmp.Diff(a.Shard.Image(), r.Shard.Image()); diff != "" {
		t.Errorf("shards (-model +restored):\n%s", diff)
	}
	ns, _ := r.Shard.Namespace("demo")
	if ns.Owned("n1") != 2 || ns.Unowned() != 298 || r.Position != 7 || r.Time != a.Time {
		t.Errorf("restored: n1 owns %d, %d unowned, position %d", ns.Owned("n1"), ns.Unowned(), r.Position)
	}
	for _, bad := range [][]byte{nil, {0xff}, []byte("no image"), image(t, a)[:40]} {
		if _, err := model.FromImage(bad); err == nil {
			t.Errorf("%q is read as an image", bad)
		}
	}
}

// TestImageIsSmall: 100,000 shards on 1,000 nodes are runs, not rows.
func TestImageIsSmall(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.Given(&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: 100_000}})
	if n := len(image(t, m)); n > 1000 {
		t.Errorf("a namespace that nobody owns shards of takes %d bytes", n)
	}
}

// TestMembershipSpeaksForAll: who may be given shards is one rule, that of the
// model, asked by the API and by the decider alike (S3).
func TestMembershipSpeaksForAll(t *testing.T) {
	s, m := small(t)
	if err := m.Assignable("n1", "worker"); err != nil {
		t.Errorf("n1 takes no shards: %v", err)
	}
	s.After(time.Second).When(membership.Cordon{NodeID: "n1"}).ThenDone()
	for id, role := range map[string]string{"n1": "worker", "n2": "worker"} {
		if m.Assignable(id, role) == nil {
			t.Errorf("%s takes shards of %s", id, role)
		}
	}
}
