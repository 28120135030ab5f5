package sim

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// scenario is a world in which only what the test does goes wrong.
type scenario struct {
	*World
	t *testing.T
}

// ttl of the sessions of all scenarios.
const ttl = 2 * time.Second

// settled is a mesh at rest: all members have joined, some seconds ago.
func settled(t *testing.T, seed uint64, servers, members int, shards uint32) *scenario {
	t.Helper()
	return rested(t, seed, Config{Servers: servers, Members: members, Shards: shards, TTL: ttl})
}

// rested is settled by another configuration.
func rested(t *testing.T, seed uint64, cfg Config) *scenario {
	t.Helper()
	members := cfg.Members
	w := build(cfg, rngOf(seed), nil)
	w.calm = true
	w.after(0, w.servers[0].campaign)
	s := &scenario{w, t}
	for range 60 {
		s.passes(500 * time.Millisecond)
		if len(w.check.sessions) == members {
			s.rests(5 * time.Second)
			return s
		}
	}
	t.Fatalf("seed %d: %d of %d members joined in 30 s", seed, len(w.check.sessions), members)
	return nil
}

// passes lets time pass; the invariants hold meanwhile.
func (s *scenario) passes(d time.Duration) {
	s.t.Helper()
	s.advance(time.Duration(s.now) + d)
	if s.err != nil {
		s.t.Fatal(s.err)
	}
}

// rests lets time pass and wants a mesh at rest.
func (s *scenario) rests(d time.Duration) {
	s.t.Helper()
	s.passes(d)
	if s.check.atRest(); s.err != nil {
		s.t.Fatal(s.err)
	}
}

// position is the end of the log.
func (s *scenario) position() events.Position { return s.check.mark.Position }

// since counts the events after a position, by type.
func (s *scenario) since(p events.Position) map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	var head events.Head
	for _, m := range s.log.Messages(1, 1_000_000) {
		frame, next, err := head.Next(m.Data)
		if err != nil {
			s.t.Fatal(err)
		}
		head = next
		_ = events.Each(frame, func(r events.Recorded) error {
			if r.Position > p {
				counts[events.TypeOf(r.Event)]++
			}
			return nil
		})
	}
	return counts
}

// noShardEvents wants that nothing was decided about shards or sessions.
func (s *scenario) noShardEvents(p events.Position, what string) {
	s.t.Helper()
	for kind, n := range s.since(p) {
		switch kind {
		case "NodeUpdated", "NodeJoined", "LeadershipGranted", "LeadershipExpired", "CandidacyDeclared":
		default:
			s.t.Errorf("%s: %d %s", what, n, kind)
		}
	}
}

// owners is who owns what, by the log.
func (s *scenario) owners() map[member.Ref]ownership { return maps.Clone(s.check.owners) }

// owned is how many shards each node owns.
func (s *scenario) owned() map[string]int {
	counts := map[string]int{}
	for _, o := range s.check.owners {
		counts[o.node]++
	}
	return counts
}

// submit has the leader decide a command for an operator.
func (s *scenario) submit(c commands.Command) {
	s.t.Helper()
	leader := s.check.leader()
	if leader == nil {
		s.t.Fatal("nobody leads")
	}
	leader.submit(commands.Request{Actor: "user/a", Reason: "scenario", Command: c}, func(a sequencer.Answer) {
		if a.Err != nil {
			s.t.Errorf("%s: %v", c.CommandName(), a.Err)
		}
	})
}

// owner is the process that owns most shards, so that there is something to
// lose.
func (s *scenario) owner() *process {
	counts := s.owned()
	return slices.MaxFunc(s.members, func(a, b *process) int { return counts[a.name] - counts[b.name] })
}

// shardsOf are the shards of namespace demo that a node owns, in order.
func (s *scenario) shardsOf(node string) []uint32 {
	var ids []uint32
	for ref, o := range s.check.owners {
		if o.node == node && ref.Namespace == "demo" {
			ids = append(ids, ref.Shard)
		}
	}
	slices.Sort(ids)
	return ids
}
