package shard

import (
	"errors"
	"testing"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// TestTotal: namespaces have a bound together, which each of them is refused to
// pass, and of which a deleted one gives its part back. The count is part of no
// event: it must be the same after a clone and from an image.
func TestTotal(t *testing.T) {
	s := NewState()
	do := func(cmd commands.Command) error {
		t.Helper()
		evs, err := s.Decide(commands.Meta{Actor: "user/test"}, cmd, nil)
		if err != nil {
			return err
		}
		next := s.Clone()
		for _, e := range evs {
			next.Evolve(events.Recorded{Event: e})
		}
		s = next
		return nil
	}
	refused := func(cmd commands.Command) {
		t.Helper()
		var r *commands.Rejected
		if err := do(cmd); !errors.As(err, &r) || r.Reason != "shards_exhausted" || r.Kind != commands.Exhausted {
			t.Errorf("with %d shards: %v", s.Total(), err)
		}
	}
	done := func(cmd commands.Command, total int) {
		t.Helper()
		if err := do(cmd); err != nil || s.Total() != total {
			t.Errorf("%+v: %v; %d shards in all, want %d", cmd, err, s.Total(), total)
		}
		if again := FromImage(s.Image(), s.Ended(), s.Rule()); again.Total() != total {
			t.Errorf("%+v: the image has %d shards, want %d", cmd, again.Total(), total)
		}
	}
	done(Create{Namespace: "a", Spec: Spec{ShardCount: 10}}, 10)
	count := uint32(30)
	done(Update{Namespace: "a", ShardCount: &count}, 30)
	done(Create{Namespace: "b", Spec: Spec{ShardCount: 70}}, 100)
	done(Delete{Namespace: "a"}, 70)

	s.total += MaxTotal - 100 // others have these
	leaves := func(cmd commands.Command, left int) {
		t.Helper()
		if err := do(cmd); err != nil || MaxTotal-s.Total() != left {
			t.Errorf("%+v: %v; room for %d, want %d", cmd, err, MaxTotal-s.Total(), left)
		}
	}
	refused(Create{Namespace: "c", Spec: Spec{ShardCount: 31}})
	leaves(Create{Namespace: "c", Spec: Spec{ShardCount: 29}}, 1)
	count = 31
	refused(Update{Namespace: "c", ShardCount: &count})
	hint := 2.0
	leaves(Update{Namespace: "c", CapacityHint: &hint}, 1) // not one more
	count = 30
	leaves(Update{Namespace: "c", ShardCount: &count}, 0)
	refused(Create{Namespace: "d", Spec: Spec{ShardCount: 1}})
	leaves(Delete{Namespace: "c"}, 30)
	s.Evolve(events.Recorded{Event: &eventsv1.Event{Kind: &eventsv1.Event_NamespaceDeleted{
		NamespaceDeleted: &eventsv1.NamespaceDeleted{Namespace: "c"},
	}}}) // of a namespace that is not there: nothing
	if left := MaxTotal - s.Total(); left != 30 {
		t.Errorf("room for %d, want 30", left)
	}
}
