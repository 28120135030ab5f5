package harness

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// walkWithin bounds a walk over the whole log of a server.
const walkWithin = 5 * time.Minute

// Converged waits until all live servers are ready, name one leader, and are at
// rest at one position with one head hash, with every shard that has an eligible
// node, and is not quarantined, owned and none moving. Then it compares their logs and their rows.
func (g Group) Converged(within time.Duration) *controlv1.MeshStatus {
	g.c.t.Helper()
	var status *controlv1.MeshStatus
	took := Eventually(g.c.t, within, fmt.Sprintf("servers %v converge", g.members), func() (err error) {
		status, err = g.converged()
		return err
	})
	g.c.t.Logf("servers %v converged after %s at position %d, s%d leads", g.members, took, status.GetPosition(), g.c.number(status.GetLeader()))
	g.SameLog()
	g.SameRows(status.GetPosition())
	return status
}

// converged is what all agree on, or why they do not.
func (g Group) converged() (*controlv1.MeshStatus, error) {
	if _, err := g.leader(); err != nil {
		return nil, err
	}
	var first *controlv1.MeshStatus
	var head *controlv1.ServerStatus
	live := g.Live()
	for _, i := range append(live, live[0]) { // the first once more: it has not moved on
		s, err := g.c.Status(i)
		if err != nil {
			return nil, err
		}
		own, err := g.c.own(i, s)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first, head = s, own
		}
		if own.GetPosition() != head.GetPosition() || own.GetHeadHash() != head.GetHeadHash() {
			return nil, fmt.Errorf("%s is at position %d with head hash %s, %s at %d with %s",
				own.GetName(), own.GetPosition(), own.GetHeadHash(), head.GetName(), head.GetPosition(), head.GetHeadHash())
		}
		if !proto.Equal(s.GetShards(), first.GetShards()) {
			return nil, fmt.Errorf("%s counts shards %v, %s counts %v", own.GetName(), s.GetShards(), head.GetName(), first.GetShards())
		}
	}
	return first, g.placed(first)
}

// own is what a server that is ready says of itself.
func (c *Cluster) own(i int, s *controlv1.MeshStatus) (*controlv1.ServerStatus, error) {
	name := c.Server(i).Name
	if !s.GetReady() {
		return nil, fmt.Errorf("%s is not ready, it waits for %q", name, s.GetWaitingFor())
	}
	for _, own := range s.GetServers() {
		if own.GetName() == name {
			if own.GetHeadHash() == "" || own.GetPosition() != s.GetPosition() {
				return nil, fmt.Errorf("%s is at position %d, and its head is %d with hash %q", name, s.GetPosition(), own.GetPosition(), own.GetHeadHash())
			}
			return own, nil
		}
	}
	return nil, fmt.Errorf("%s is not among the servers that it names: %v", name, s.GetServers())
}

// placed says why not every shard that somebody could own is owned, at rest.
func (g Group) placed(s *controlv1.MeshStatus) error {
	ctx, cancel := context.WithTimeout(context.Background(), statusWithin)
	defer cancel()
	c := g.c.clients[g.Live()[0]-1]
	peers, err := c.Peers.Collect(ctx, &controlv1.ListPeersRequest{})
	if err != nil {
		return err
	}
	roles := map[string]bool{}
	for _, p := range peers.Items {
		if p.GetStatus() == controlv1.PeerStatus_PEER_STATUS_ALIVE && p.GetLifecycle() == controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE {
			roles[p.GetRole()] = true
		}
	}
	namespaces, err := c.Namespaces.Collect(ctx, &controlv1.ListNamespacesRequest{})
	if err != nil {
		return err
	}
	want := int64(0)
	for _, ns := range namespaces.Items {
		if roles[ns.GetEligibleRole()] {
			want += int64(ns.GetShardCount())
		}
	}
	counts := s.GetShards()
	want -= counts.GetQuarantined() // theirs is to stay unowned
	if got := counts.GetTotal() - counts.GetUnowned(); got != want || counts.GetMoving() != 0 {
		return fmt.Errorf("%d shards are owned and %d of them moving, want %d at rest", got, counts.GetMoving(), want)
	}
	return nil
}

// SameLog checks that every live server has the same log, event by event, as far
// as all have it, and that its hash chain holds (T1).
func (g Group) SameLog() {
	g.c.t.Helper()
	ctx, cancel := context.WithTimeout(g.c.t.Context(), walkWithin)
	defer cancel()
	live := g.Live()
	chains := map[int64]*controlv1.VerifyResponse{} // by their last position
	shared := int64(math.MaxInt64)
	for _, i := range live {
		v, err := g.c.clients[i-1].Log.Verify(ctx, 0)
		if err != nil || !v.GetOk() {
			g.c.t.Fatalf("T1: the log of s%d does not verify: %v %v", i, v, err)
		}
		shared = min(shared, v.GetPosition())
		if other := chains[v.GetPosition()]; other != nil && !proto.Equal(v, other) {
			g.c.t.Errorf("the log of s%d is %v, that of another is %v", i, v, other)
		}
		chains[v.GetPosition()] = v
	}
	for _, i := range live[1:] {
		n, err := compare(until(shared, g.c.log(ctx, live[0])), until(shared, g.c.log(ctx, i)))
		if err != nil {
			g.c.t.Fatalf("s%d and s%d have different logs after %d events: %v", live[0], i, n, err)
		}
	}
}

// log ranges over all events of a server's log, by pages.
func (c *Cluster) log(ctx context.Context, i int) iter.Seq2[*controlv1.LogEvent, error] {
	return c.clients[i-1].Log.All(ctx, &controlv1.ListEventsRequest{})
}

// until ends a log at a position.
func until(position int64, log iter.Seq2[*controlv1.LogEvent, error]) iter.Seq2[*controlv1.LogEvent, error] {
	return func(yield func(*controlv1.LogEvent, error) bool) {
		for e, err := range log {
			if err == nil && e.GetPosition() > position || !yield(e, err) {
				return
			}
		}
	}
}

// compare walks two logs side by side, and returns how many events they share
// and how they differ.
func compare(a, b iter.Seq2[*controlv1.LogEvent, error]) (same int, err error) {
	next, stop := iter.Pull2(b)
	defer stop()
	for x, err := range a {
		y, errY, ok := next()
		switch {
		case err != nil || errY != nil:
			return same, errors.Join(err, errY)
		case !ok:
			return same, fmt.Errorf("one has ended, the other has %s", prototext.Format(x))
		case !proto.Equal(x, y):
			return same, fmt.Errorf("one has %s, the other has %s", prototext.Format(x), prototext.Format(y))
		}
		same++
	}
	if y, err, ok := next(); ok {
		return same, errors.Join(err, fmt.Errorf("one has ended, the other has %s", prototext.Format(y)))
	}
	return same, nil
}
