package sim

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands/shard"
)

// TestReboundWhileMoving: the owner of a sticky shard is started again in either stage
// of its move. It is bound again with a new fence, with which the target reports anew
// where it had prepared for the old one, and the move ends at the target as if nothing
// had happened.
func TestReboundWhileMoving(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		for _, prepared := range []bool{false, true} {
			s := modal(t, seed, 1, 3)
			from := s.victim()
			to := s.members[0]
			if to == from {
				to = s.members[1]
			}
			var ref member.Ref
			for r := range s.of(stickySpace, from.name) {
				if ref == (member.Ref{}) || r.Shard < ref.Shard {
					ref = r
				}
			}
			state := func() *shard.Shard {
				ns, _ := s.check.replica.Shard.Namespace(stickySpace)
				return ns.Shard(ref.Shard)
			}
			at, fence := s.position(), state().Fence
			to.cold = !prepared
			s.submit(shard.Move{Namespace: stickySpace, Shards: []uint32{ref.Shard}, To: to.name})
			for range 1000 {
				if !prepared && to.preps[ref] != nil || state().Releasing() {
					break
				}
				s.passes(100 * time.Microsecond)
			}
			if state().Releasing() != prepared || state().Preparing() == prepared || state().Owner != from.name {
				t.Fatalf("seed %d, prepared %t: %+v", seed, prepared, *state())
			}
			from.kill()
			s.passes(10 * time.Millisecond)
			to.cold = false
			from.restart()
			s.passes(3 * time.Second)
			n := s.since(at)
			if o := s.check.owners[ref]; o.node != to.name || n["ShardMoveFailed"]+n["ShardMoveCancelled"] != 0 || n["ShardsHandedOver"] == 0 || s.check.owners[ref].fence <= uint64(fence) {
				t.Errorf("seed %d, prepared %t: %+v, events %v", seed, prepared, *state(), n)
			}
			s.rests(5 * time.Second)
		}
	}
}
