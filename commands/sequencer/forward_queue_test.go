package sequencer

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// TestForwardQueue: whatever is pushed, given up and taken, each parcel is answered
// or taken once, what is taken comes in its order, and what was given up is soon
// forgotten.
func TestForwardQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newForwardQueue(400, NewForwardMetrics(nil))
		var waiting [][]parcel // groups that were pushed
		next, last, live := 0, -1, 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				ps := newParcels(rapid.IntRange(1, 100).Draw(t, "parcels"))
				for i := range ps {
					ps[i].index, ps[i].data = next, make([]byte, 1+next%3)
					next++
				}
				q.push(ps)
				refused := len(ps[0].answers)
				if live += len(ps) - refused; refused > 0 && live != 400 {
					t.Fatalf("%d were refused while %d waited", refused, live)
				}
				waiting = append(waiting, ps)
			case 1:
				if len(waiting) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(waiting)-1).Draw(t, "group")
				before := len(waiting[i][0].answers)
				q.giveUp(waiting[i], context.Canceled)
				live -= len(waiting[i][0].answers) - before
				checkGivenUp(t, waiting[i])
				waiting = append(waiting[:i], waiting[i+1:]...)
			default:
				b := &batch{cancel: func(error) {}}
				if q.take(b) != (live > 0) {
					t.Fatalf("taken %d of %d", len(b.requests), live)
				}
				answers := make([]parcelAnswer, len(b.requests))
				for i, p := range b.requests {
					if p.index <= last {
						t.Fatalf("parcel %d is taken after %d", p.index, last)
					}
					last, answers[i].parcel = p.index, p
				}
				live -= len(b.requests)
				q.ended(b, answers)
			}
			if kept := len(q.requests.parcels); kept > 2*live+1 || q.loads[0].requests != live || q.empty() != (live == 0) {
				t.Fatalf("%d wait, %d are kept, %d are counted", live, kept, q.loads[0].requests)
			}
		}
		if live == 0 && q.loads != [2]load{} {
			t.Fatalf("nothing waits, and %+v is counted", q.loads)
		}
	})
}

// checkGivenUp wants one answer for each parcel.
func checkGivenUp(t *rapid.T, ps []parcel) {
	if len(ps[0].answers) != len(ps) {
		t.Fatalf("%d answers for %d parcels", len(ps[0].answers), len(ps))
	}
	for range ps {
		if a := <-ps[0].answers; errors.Is(a.err, ErrOutcomeUnknown) {
			t.Fatalf("parcel %d: %v", a.parcel.index, a.err)
		}
	}
}
