package projections

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/events"
)

func TestDecisionInfoSurvivesItsKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		d := &DecisionInfo{
			Last: events.Position(rapid.Uint64Range(5000, 1<<62).Draw(t, "last")), Time: rapid.Int64().Draw(t, "time"),
			Sequence: rapid.Uint64().Draw(t, "sequence"), Actor: text.Draw(t, "actor"), Reason: text.Draw(t, "reason"),
			ChangeTicket: text.Draw(t, "ticket"), CorrelationID: text.Draw(t, "correlation"),
			CausationID: text.Draw(t, "causation"), Command: text.Draw(t, "command"),
		}
		n := rapid.IntRange(1, 4096).Draw(t, "events")
		d.First = d.Last - events.Position(n) + 1
		for left := n; left > 0; {
			k := kindRun{rapid.Int32Range(0, 400).Draw(t, "kind"), rapid.Int32Range(0, 20).Draw(t, "cause"), int32(rapid.IntRange(1, left).Draw(t, "count"))}
			d.kinds, left = append(d.kinds, k), left-int(k.count)
		}
		got, err := parseDecision(d.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, got, cmp.AllowUnexported(DecisionInfo{}, kindRun{})); diff != "" {
			t.Fatalf("decoded (-want +got):\n%s", diff)
		}
	})
}

func FuzzParseDecision(f *testing.F) {
	f.Add((&DecisionInfo{First: 1, Last: 2, Actor: "a", kinds: []kindRun{{1, 0, 2}}}).append(nil))
	f.Fuzz(func(t *testing.T, key []byte) {
		d, err := parseDecision(key)
		if err != nil {
			return
		}
		again, err := parseDecision(d.append(nil))
		if err != nil || cmp.Diff(d, again, cmp.AllowUnexported(DecisionInfo{}, kindRun{})) != "" {
			t.Fatalf("%x decodes to %+v, whose encoding to %+v, %v", key, d, again, err)
		}
	})
}
