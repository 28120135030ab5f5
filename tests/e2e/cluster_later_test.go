package e2e_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestClusterScheduleOverFailover: a schedule's due comes while the leader that took
// it is dead. Its successor runs it, once, in the name of who made it; the old
// leader, back, runs nothing again.
func TestClusterScheduleOverFailover(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(ttl))
	c.StartAgent("n1")
	c.StartAgent("n2")
	mesh := c.Connect()
	createNamespace(t, mesh, "demo", 4)
	awaitBalanced(t, mesh, "demo", 4, "n1", "n2")
	_, err := mesh.Schedules.Create(t.Context(), &controlv1.CreateScheduleRequest{
		Name: "maintenance", Timing: &controlv1.Timing{Timing: &controlv1.Timing_AfterMs{AfterMs: 1500}},
		Action:   &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Cordon{Cordon: &controlv1.NodeAction{NodeId: "n1"}}},
		Mutation: &controlv1.Mutation{Reason: "kernel update", ChangeTicket: "CH-7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	old := c.Leader()
	c.Kill(old)
	awaitRun(t, c, "maintenance")
	c.Restart(old)
	c.Converged(settle)
	fired, granted := c.Events("ScheduleFired"), c.Events("LeadershipGranted")
	if len(fired) != 1 || len(c.Events("NodeCordoned")) != 1 {
		t.Fatalf("fired %d times: %v", len(fired), fired)
	}
	f := fired[0]
	if f.Actor != c.Events("ScheduleCreated")[0].Actor || f.CausationId != "schedule/maintenance" || f.Reason != "kernel update" || f.ChangeTicket != "CH-7" {
		t.Errorf("fired as %v", f)
	}
	if len(granted) < 2 || granted[1].Position > f.Position {
		t.Errorf("fired at %d, leaders since %v: it was not the successor", f.Position, granted)
	}
	if peer, err := mesh.Peers.Get(t.Context(), &controlv1.GetPeerRequest{NodeId: "n1"}); err != nil || peer.Lifecycle != controlv1.PeerLifecycle_PEER_LIFECYCLE_CORDONED {
		t.Errorf("n1 is %v, %v", peer, err)
	}
}

// awaitRun waits until a schedule that is due once has run.
func awaitRun(t *testing.T, c *harness.Cluster, name string) {
	t.Helper()
	mesh := c.Only(c.Live()...).Connect()
	harness.Eventually(t, settle, "schedule "+name+" runs", func() error {
		s, err := mesh.Schedules.Get(t.Context(), &controlv1.GetScheduleRequest{Name: name})
		if err == nil && s.Status != controlv1.ScheduleStatus_SCHEDULE_STATUS_FINISHED {
			err = fmt.Errorf("it is %s, next at %s", s.Status, s.NextRun.AsTime().Format(time.TimeOnly))
		}
		return err
	})
}

// TestClusterPoisonShard: whoever owns shard 0 dies. After two deaths it is out of
// service and the others are served; released, it is owned again.
func TestClusterPoisonShard(t *testing.T) {
	t.Parallel()
	const count = 12
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(ttl))
	mesh := c.Connect()
	createNamespace(t, mesh, "demo", count)
	agents := map[string]*harness.Agent{}
	for _, n := range []string{"n1", "n2", "n3", "n4"} {
		agents[n] = c.StartAgent(n)
	}
	awaitBalanced(t, mesh, "demo", count, "n1", "n2", "n3", "n4")
	poison := func() (*controlv1.ShardRecord, error) {
		return mesh.Shards.Get(t.Context(), &controlv1.GetShardRequest{Namespace: "demo", ShardId: "0"})
	}
	killed := 0
	harness.Eventually(t, settle, "the shard that kills its owners is quarantined", func() error {
		row, err := poison()
		if err != nil {
			return err
		}
		if a := agents[row.OwnerNodeId]; a != nil {
			delete(agents, row.OwnerNodeId)
			a.Kill()
			killed++
		}
		if row.Status != controlv1.ShardStatus_SHARD_STATUS_DISABLED {
			return fmt.Errorf("%d owners died; it is %v", killed, row)
		}
		return nil
	})
	row, err := poison()
	if err != nil || killed != 2 || row.Deaths != 2 || row.QuarantinedAt == nil || row.OwnerNodeId != "" {
		t.Errorf("after the deaths of %d owners: %v, %v", killed, row, err)
	}
	if status := c.Converged(settle); status.GetShards().GetQuarantined() != 1 || status.GetShards().GetUnowned() != 1 {
		t.Errorf("shards %v", status.GetShards())
	}
	released, err := mesh.Shards.Unquarantine(t.Context(), &controlv1.UnquarantineShardsRequest{Namespace: "demo", ShardIds: []string{"0"}})
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, settle, "the shard is owned again", func() error {
		row, err := poison()
		if err == nil && (row.OwnerNodeId == "" || row.FenceToken <= released.Position) {
			err = errors.New(row.String())
		}
		return err
	})
	c.Converged(settle)
}
