package member_test

import (
	"context"
	"errors"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/member"
)

func two(t *testing.T, m *mesh) (a, b *node) {
	t.Helper()
	url := m.host(t).url()
	cfg := config(t.TempDir(), url)
	a = join(t, cfg, false)
	cfg.NodeID, cfg.DataDir = "n2", t.TempDir()
	b = join(t, cfg, false)
	a.ready()
	b.ready()
	return a, b
}

func (n *node) lead(scope string) *member.Leadership {
	n.t.Helper()
	l, err := n.Campaign(bounded(n.t), scope, member.CampaignOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	return l
}

func awaitDone(t testing.TB, l *member.Leadership, cause error) {
	t.Helper()
	select {
	case <-l.Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("still leads %s", l.Scope)
	}
	if err := l.Err(); !errors.Is(err, cause) {
		t.Fatalf("leadership ended with %v, expected %v", err, cause)
	}
	if l.Check() == nil {
		t.Fatal("Check passes after the end")
	}
}

func TestCampaign(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	a, b := two(t, m)
	first := a.lead("db")
	if err := first.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Campaign(bounded(t), "db", member.CampaignOptions{}); !errors.Is(err, member.ErrCampaigning) {
		t.Fatalf("a second campaign for the scope: %v, expected ErrCampaigning", err)
	}
	won := make(chan *member.Leadership, 1)
	go func() {
		l, _ := b.Campaign(bounded(t), "db", member.CampaignOptions{Priority: 7})
		won <- l
	}()
	m.await(t, "n2 is a candidate", func() bool { return len(m.scopes["db"].candidates) == 1 })
	if err := first.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, first, member.ErrResigned)
	second := <-won
	if second == nil || second.Fence <= first.Fence || second.Term <= first.Term || second.Check() != nil {
		t.Fatalf("the next leadership is %+v after %+v", second, first)
	}

	// An operator ends it.
	m.do(func() { m.endTerm("db", controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_STEPPED_DOWN) })
	awaitDone(t, second, member.ErrDeposed)
	if third := b.lead("db"); third.Term <= second.Term {
		t.Fatalf("term %d after %d", third.Term, second.Term)
	}
}

// TestCampaignCanceled: a candidate whose caller went away is none.
func TestCampaignCanceled(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	a, b := two(t, m)
	a.lead("db")
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		_, err := b.Campaign(ctx, "db", member.CampaignOptions{})
		result <- err
	}()
	m.await(t, "n2 is a candidate", func() bool { return len(m.scopes["db"].candidates) == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("Campaign returned %v", err)
	}
	m.await(t, "the candidacy is withdrawn", func() bool { return len(m.scopes["db"].candidates) == 0 })
	// And may be declared again.
	go func() {
		_, err := b.Campaign(bounded(t), "db", member.CampaignOptions{})
		result <- err
	}()
	m.await(t, "n2 is a candidate again", func() bool { return len(m.scopes["db"].candidates) == 1 })
	m.do(func() { m.endTerm("db", controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_STEPPED_DOWN) })
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// TestLeadershipEndsWithLease: Done before the lease could be lost (L6), and no
// new term for a session that was answered in time.
func TestLeadershipEndsWithLease(t *testing.T) {
	t.Parallel()
	m := newMesh(3 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	l := n.lead("db")
	m.do(func() { m.silent = true })
	n.clock.jump(3 * time.Second)
	if err := l.Check(); !errors.Is(err, member.ErrLeaseEnded) {
		t.Fatalf("Check past the lease: %v", err)
	}
	awaitDone(t, l, member.ErrLeaseEnded)
	m.do(func() { m.silent = false })
	again := n.lead("db")
	if again.Term != l.Term || again.Check() != nil {
		t.Fatalf("term %d (%v), expected %d: the session held it all the time", again.Term, again.Check(), l.Term)
	}
	// The session itself is lost.
	m.do(func() { m.closeSession("n1") })
	select {
	case <-again.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("leads without a session")
	}
	if err := again.Err(); !errors.Is(err, member.ErrReassigned) && !errors.Is(err, member.ErrDeposed) {
		t.Fatalf("ended with %v", err)
	}
}

// TestLeadershipEndsBeforeLeave: nobody is elected while this member believes
// that it leads (L1).
func TestLeadershipEndsBeforeLeave(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	a, b := two(t, m)
	l := a.lead("db")
	won := make(chan error, 1)
	go func() {
		_, err := b.Campaign(bounded(t), "db", member.CampaignOptions{})
		if err == nil && l.Check() == nil {
			err = errors.New("two leaders")
		}
		won <- err
	}()
	m.await(t, "n2 is a candidate", func() bool { return len(m.scopes["db"].candidates) == 1 })
	if err := a.Leave(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-won; err != nil {
		t.Fatal(err)
	}
	if _, err := a.Campaign(bounded(t), "db", member.CampaignOptions{}); !errors.Is(err, member.ErrStopped) {
		t.Fatalf("Campaign after the end: %v, expected ErrStopped", err)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	a, b := two(t, m)
	l := a.lead("db")
	var seen []string
	for leader, err := range b.Observe(bounded(t), "db") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, leader.NodeID)
		switch len(seen) {
		case 1:
			if leader.Term != l.Term || leader.Fence != l.Fence {
				t.Fatalf("observed %+v, expected term %d", leader, l.Term)
			}
			if err := l.Resign(bounded(t)); err != nil {
				t.Fatal(err)
			}
		case 2:
			b.lead("db")
		}
		if len(seen) == 3 {
			break
		}
	}
	if seen[0] != "n1" || seen[1] != "" || seen[2] != "n2" {
		t.Fatalf("observed %q", seen)
	}
}
