package member_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/api/member"
)

// electors runs a test with two nodes of a mesh, of each backend.
func electors(t *testing.T, run func(t *testing.T, a, b member.Elector)) {
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		a, b := localTwo(t)
		run(t, a, b)
	})
	t.Run("mesh", func(t *testing.T) {
		t.Parallel()
		a, b := two(t, newMesh(5*time.Second))
		run(t, a.Member, b.Member)
	})
}

func localTwo(t testing.TB) (a, b *member.LocalElector) {
	t.Helper()
	m, err := member.NewLocalMesh(nil)
	if err != nil {
		t.Fatal(err)
	}
	return localJoin(t, m, "n1"), localJoin(t, m, "n2")
}

func localJoin(t testing.TB, m *member.LocalMesh, node string) *member.LocalElector {
	t.Helper()
	e, err := m.Join(node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// TestElector: both backends mean the same by campaign, resign and observe.
func TestElector(t *testing.T) {
	t.Parallel()
	electors(t, func(t *testing.T, a, b member.Elector) {
		ctx := bounded(t)
		first, err := a.Campaign(ctx, "jobs/report", member.CampaignOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if first.Check() != nil || first.Err() != nil || first.Token() != (member.FencingToken{Scope: "jobs/report", Fence: first.Fence}) {
			t.Fatalf("leads as %+v", first)
		}
		if _, err := a.Campaign(ctx, "jobs/report", member.CampaignOptions{}); !errors.Is(err, member.ErrCampaigning) {
			t.Errorf("a leader campaigns: %v", err)
		}
		short, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := b.Campaign(short, "jobs/report", member.CampaignOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("a campaign whose caller went away: %v", err)
		}
		type leader struct {
			Node  string
			Fence int64
		}
		var seen []leader
		var second *member.Leadership
		for l, err := range b.Observe(ctx, "jobs/report") {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, leader{l.NodeID, l.Fence})
			switch len(seen) {
			case 1:
				if err := first.Resign(ctx); err != nil {
					t.Fatal(err)
				}
				awaitDone(t, first, member.ErrResigned)
			case 2:
				if second, err = b.Campaign(ctx, "jobs/report", member.CampaignOptions{Priority: 3}); err != nil {
					t.Fatal(err)
				}
			}
			if len(seen) == 3 {
				break
			}
		}
		if second.Fence <= first.Fence || second.Term <= first.Term {
			t.Errorf("term %d and fence %d after %d and %d", second.Term, second.Fence, first.Term, first.Fence)
		}
		want := []leader{{"n1", first.Fence}, {"", first.Fence}, {"n2", second.Fence}}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// TestLocalPriority: of those who wait the highest priority leads, among equals
// the first; who was closed does not.
func TestLocalPriority(t *testing.T) {
	t.Parallel()
	mesh, err := member.NewLocalMesh(nil)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := localJoin(t, mesh, "holder").Campaign(bounded(t), "db", member.CampaignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type won struct {
		node string
		l    *member.Leadership
		err  error
	}
	results := make(chan won, 8)
	nodes := map[string]*member.LocalElector{}
	for i, priority := range []int32{0, 5, -2147483648, 5, 9} {
		name := fmt.Sprintf("n%d", i)
		nodes[name] = localJoin(t, mesh, name)
		waiting := mesh.Candidates("db")
		go func() {
			l, err := nodes[name].Campaign(bounded(t), "db", member.CampaignOptions{Priority: priority})
			results <- won{name, l, err}
		}()
		awaitTrue(t, name+" is a candidate", func() bool { return mesh.Candidates("db") == waiting+1 })
	}
	if _, err := mesh.Join("n1"); !errors.Is(err, member.ErrNodeTaken) {
		t.Errorf("a second n1: %v", err)
	}
	nodes["n4"].Close()
	if r := <-results; r.node != "n4" || !errors.Is(r.err, member.ErrStopped) {
		t.Errorf("the closed one: %+v", r)
	}
	for i, want := range []string{"n1", "n3", "n0", "n2"} {
		if i%2 == 0 {
			if err := holder.Resign(bounded(t)); err != nil {
				t.Fatal(err)
			}
			awaitDone(t, holder, member.ErrResigned)
		} else {
			mesh.Depose("db")
			awaitDone(t, holder, member.ErrDeposed)
		}
		r := <-results
		if r.node != want || r.err != nil || r.l.Fence <= holder.Fence {
			t.Fatalf("round %d: %s won (%v), want %s", i, r.node, r.err, want)
		}
		holder = r.l
	}
	nodes["n2"].Close()
	awaitDone(t, holder, member.ErrReleased)
	if mesh.Depose("db") {
		t.Error("deposed nobody")
	}
}

// TestLocalFencesRise: over restarts of the program, whatever it did.
func TestLocalFencesRise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		store, last := memoryStore{}, int64(0)
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			mesh, err := member.NewLocalMesh(store)
			if err != nil {
				rt.Fatal(err)
			}
			e, err := mesh.Join("n1")
			if err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 3).Draw(rt, "terms") {
				l, err := e.Campaign(context.Background(), "db", member.CampaignOptions{})
				if err != nil {
					rt.Fatal(err)
				}
				if l.Fence <= last || l.Term != l.Fence {
					rt.Fatalf("fence %d after %d", l.Fence, last)
				}
				last = l.Fence
				mesh.Depose("db")
			}
		}
	})
}

// memoryStore is a FenceStore that lives as long as the test.
type memoryStore map[string]int64

func (s memoryStore) Load() (map[string]int64, error) { return s, nil }

func (s memoryStore) Save(fences map[string]int64) error {
	for scope, fence := range fences {
		s[scope] = max(s[scope], fence)
	}
	return nil
}
