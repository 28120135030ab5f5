package store_test

import (
	"errors"
	"testing"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// TestMarkVerify: the next message moves a mark; any other leaves it, and says why.
func TestMarkVerify(t *testing.T) {
	id := make([]byte, 16)
	id[0] = 7
	frame := func(first uint64, previous []byte, e *eventsv1.Event) []byte {
		b, err := events.Marshal(&eventsv1.Frame{
			LogId: id, Era: 1, First: first, Time: 1, PrevHash: previous,
			Decisions: []*eventsv1.Decision{{Meta: &eventsv1.Meta{}, Events: []*eventsv1.Event{e}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	genesis := frame(1, nil, &eventsv1.Event{Kind: &eventsv1.Event_EraStarted{EraStarted: &eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1}}})
	_, first, err := store.Mark{}.Verify(store.Message{Sequence: 1, Data: genesis})
	if err != nil || first.Sequence != 1 || first.Position != 1 || first.Hash != events.HashOf(genesis) {
		t.Fatalf("%+v, %v", first, err)
	}
	next := frame(2, first.Hash[:], &eventsv1.Event{})
	if f, second, err := first.Verify(store.Message{Sequence: 2, Data: next}); err != nil || second.Sequence != 2 || f.First != 2 {
		t.Errorf("%+v, %v", second, err)
	}
	if _, at, err := first.Verify(store.Message{Sequence: 3, Data: next}); !errors.Is(err, store.ErrGap) || at != first {
		t.Errorf("a gap: %+v, %v", at, err)
	}
	var chain *events.ChainError
	if _, at, err := first.Verify(store.Message{Sequence: 2, Data: genesis}); !errors.As(err, &chain) || at != first {
		t.Errorf("another chain: %+v, %v", at, err)
	}
}
