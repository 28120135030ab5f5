package member_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

// TestLowerFenceNeverRuns: whatever a server says, at whatever position, a fence
// below one that was held here is never started (L2). The hold lapsed and was not
// released, so that nothing but the hold itself remembers its fence.
func TestLowerFenceNeverRuns(t *testing.T) {
	ref, second := member.Ref{Namespace: "demo", Shard: 1}, int64(time.Second)
	row := func(fence int64) []member.Row {
		return []member.Row{{Ref: ref, Owner: "n1", Session: 7, Fence: fence}}
	}
	c := member.NewCore("n1")
	started := func(now int64, in member.Input) (fences []int64) {
		outs, _ := c.Step(now, in)
		for _, o := range outs {
			if s, ok := o.(member.Start); ok {
				fences = append(fences, s.Fence)
			}
		}
		return fences
	}
	started(0, member.Opened{Session: 7, TTL: 8 * time.Second, SentAt: 0, Position: 7})
	if got := started(second, member.Snapshot{Position: 10, Rows: row(9)}); len(got) != 1 || got[0] != 9 {
		t.Fatalf("started %v, want fence 9", got)
	}
	started(9*second, member.Tick{}) // the lease has ended
	started(9*second, member.Ended{Ref: ref, Fence: 9})
	started(9*second, member.Snapshot{Position: 11, Rows: row(8)})
	if got := started(10*second, member.Answered{Session: 7, TTL: 8 * time.Second, SentAt: 10 * second}); len(got) != 0 {
		t.Errorf("started %v after fence 9", got)
	}
	if got := started(10*second, member.Snapshot{Position: 12, Rows: row(9)}); len(got) != 1 || got[0] != 9 {
		t.Errorf("started %v, want fence 9 to resume", got)
	}
}
