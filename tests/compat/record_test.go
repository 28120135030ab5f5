package compat

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// recorder drives a sequencer's core and keeps what it stores.
type recorder struct {
	t    *testing.T
	core *sequencer.Core
	now  sequencer.Now
	file []byte
}

// record is a log with every command of this release in it.
func record(t *testing.T) []byte {
	t.Helper()
	r := &recorder{t: t, now: sequencer.Now{Wall: 1_800_000_000_000_000_000, Boot: 1}}
	r.core = sequencer.NewCore(sequencer.Config{
		Server: "s1", Incarnation: "1", NewLogID: events.LogID{0xc0, 0x4d},
		Introduce: func(*model.Model) []commands.Request {
			return []commands.Request{
				{Actor: "node/s1", Command: control.StartEra{Cluster: "c1"}},
				{Actor: "node/s1", Command: policy.SetSession{TTL: 3 * time.Second}},
				{Actor: "node/s1", Command: membership.JoinServer{Node: membership.Descriptor{NodeID: "s1", Weight: 1, MeshVersion: "1"}}},
			}
		},
	}, sequencer.View{})
	if err := r.core.Campaign(); err != nil {
		t.Fatal(err)
	}
	r.run()
	n1, n2 := r.open("n1", 1), r.open("n2", 1)
	r.do(shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 12, CapacityHint: 1.5}})
	first := r.do(shard.Assign{Namespace: "demo", Targets: []shard.Target{
		{NodeID: "n1", Session: n1, Shards: []uint32{0, 1, 2, 3, 4, 8}}, {NodeID: "n2", Session: n2, Shards: []uint32{5, 6, 7}},
	}})
	r.do(shard.Move{Namespace: "demo", Shards: []uint32{0, 9}, To: "n2"})
	r.do(shard.Rebalance{Namespace: "demo", Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{1, 2}}}})
	r.do(shard.AskRelease{Namespace: "demo", NodeID: "n2", Session: n2, Shards: []shard.Prepared{{Shard: 0, Fence: first}}})
	r.do(shard.Release{Namespace: "demo", NodeID: "n1", Session: n1, Shards: []shard.Released{{Shard: 0, Fence: first}}})
	r.do(shard.CancelMoves{Namespace: "demo", Shards: []uint32{1}})
	r.now.Wall += int64(shard.MoveDeadline) + 1
	r.do(shard.FailMoves{Namespace: "demo", Shards: []uint32{2}})
	r.do(shard.Pause{Namespace: "demo", Shards: []uint32{3, 6}})
	r.do(shard.Resume{Namespace: "demo", Shards: []uint32{6}})
	more := uint32(16)
	r.do(shard.Update{Namespace: "demo", ShardCount: &more})
	r.do(leadership.Campaign{Scope: "jobs/a", NodeID: "n1", Session: n1, Labels: map[string]string{"b": "2", "a": "1"}})
	r.do(leadership.Campaign{Scope: "jobs/a", NodeID: "n2", Session: n2, Priority: 3})
	r.do(leadership.Resign{Scope: "jobs/a", NodeID: "n1", Session: n1})
	r.do(leadership.Elect{Scopes: []string{"jobs/a"}})
	r.do(leadership.Campaign{Scope: "jobs/a", NodeID: "n1", Session: n1})
	r.do(leadership.Resign{Scope: "jobs/a", NodeID: "n1", Session: n1})
	weight := 2.5
	r.do(membership.Update{NodeID: "n2", Labels: map[string]string{"rack": "r7"}, Weight: &weight})
	r.do(membership.Cordon{NodeID: "n2"})
	r.do(membership.Uncordon{NodeID: "n2"})
	r.drains()
	r.do(membership.LoseServer{NodeID: "s1", Cause: eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT})
	r.do(membership.ReturnServer{NodeID: "s1"})
	r.do(membership.LoseServer{NodeID: "s1", Cause: eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_STOPPED})
	r.open("n1", 2) // restarted
	r.do(membership.CloseSession{NodeID: "n2", Session: n2, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED})
	n3 := r.open("n3", 1)
	r.do(membership.Leave{NodeID: "n3", Session: n3, SecretHash: events.HashOf([]byte("n3"))})
	r.do(shard.Create{Namespace: "gone", Spec: shard.Spec{ShardCount: 2, Strategy: "ring"}})
	r.do(shard.Delete{Namespace: "gone"})
	r.do(shard.Create{Namespace: "gone", Spec: shard.Spec{ShardCount: 1}})
	r.modes()
	r.later()
	r.do(control.RecordHealing{First: 2, Last: 5, Frames: 2, Hash: events.HashOf([]byte("frame")), KeptBy: "s1"})
	r.do(control.ReplaceReplica{Server: "s1"})
	r.do(control.Seal{})
	r.do(control.Unseal{})
	return r.file
}

// drains: one that stalls and is cancelled, one that ends, and a window's.
func (r *recorder) drains() {
	n9 := r.open("n9", 1)
	r.do(membership.Drain{NodeID: "n9", Within: time.Second})
	r.now.Wall += int64(time.Minute)
	r.do(membership.StallDrain{NodeID: "n9", Blockers: []membership.Blocker{{Kind: "shard", Reference: "demo/1", Reason: "paused"}}, More: 2})
	r.do(membership.CancelDrain{NodeID: "n9"})
	r.do(membership.Cordon{NodeID: "n9"})
	r.do(policy.CreateMaintenance{Name: "w1", NodeIDs: []string{"n9"}, Selectors: []string{"os=linux"}, End: r.now.Wall + int64(time.Hour),
		Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN, Reason: "disks"})
	r.now.Wall += int64(time.Second)
	r.do(policy.CreateMaintenance{Name: "w2", NodeIDs: []string{"n8"}, End: r.now.Wall + int64(time.Hour), Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_CORDON})
	r.do(membership.Uncordon{NodeID: "n9"})
	r.do(policy.CreateMaintenance{Name: "w3", Selectors: []string{"os=linux"}, NodeIDs: []string{"n9"}, End: r.now.Wall + int64(time.Hour), Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN})
	r.do(membership.Maintain{NodeID: "n9"})
	r.do(membership.FinishDrain{NodeID: "n9", Session: n9})
	r.do(policy.EndMaintenance{Name: "w2"})
	r.do(policy.DeleteMaintenance{Name: "w2"})
}

// later is what came with schema 5: schedules, and shards that are quarantined.
func (r *recorder) later() {
	r.t.Helper()
	one, most := uint32(1), uint32(100)
	r.do(policy.SetQuarantine{Deaths: &one, MaxAtOnce: &most})
	n4 := r.open("n4", 1)
	r.do(shard.Create{Namespace: "poison", Spec: shard.Spec{ShardCount: 3}})
	r.do(shard.Assign{Namespace: "poison", Targets: []shard.Target{{NodeID: "n4", Session: n4, Shards: []uint32{0, 1}}}})
	r.do(membership.CloseSession{NodeID: "n4", Session: n4, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED})
	r.do(shard.Unquarantine{Namespace: "poison", Shards: []uint32{1}})
	cordon := schedule.Action{Verb: schedule.Cordon, NodeID: "n1"}
	r.do(schedule.Create{Name: "nightly", Timing: schedule.Timing{Cron: "30 3 * * *"}, Action: cordon, Skip: true})
	r.do(schedule.Create{Name: "often", Timing: schedule.Timing{Every: time.Minute}, Action: cordon})
	r.do(schedule.Pause{Name: "nightly"})
	r.do(schedule.Resume{Name: "nightly"})
	due := r.now.Wall/int64(time.Millisecond) - 2000 + time.Minute.Milliseconds()
	r.now.Wall += int64(time.Minute)
	r.do(schedule.Fire{Name: "often", Due: due, Attempt: 1})
	r.do(schedule.Pause{Name: "often"})
	r.do(schedule.Remove{Name: "nightly"})
}

func (r *recorder) open(id string, incarnation uint64) events.Position {
	r.t.Helper()
	return r.do(membership.OpenSession{
		Node:       membership.Descriptor{NodeID: id, Role: "worker", ClusterID: "c1", Region: "r1", Zone: "z1", Weight: 1, Labels: map[string]string{"os": "linux"}},
		SecretHash: events.HashOf([]byte(id)), Incarnation: incarnation,
	})
}

// do submits one command, which must be done, and returns its position.
func (r *recorder) do(c commands.Command) events.Position {
	r.t.Helper()
	r.now.Wall += int64(time.Second)
	key := commands.Key{6: 0x70, 8: 0x80, 15: byte(len(r.file))}
	for i, ms := 0, r.now.Wall/int64(time.Millisecond); i < 6; i++ {
		key[i] = byte(ms >> (40 - 8*i))
	}
	p := &sequencer.Pending{Request: commands.Request{
		Command: c, Actor: "user/ann", Reason: "compat", ChangeTicket: "CHG-1", CorrelationID: "corr", Key: key, Hash: events.HashOf([]byte(c.CommandName())),
	}}
	if err := r.core.Submit(p); err != nil {
		r.t.Fatal(err)
	}
	answers := r.run()
	if len(answers) != 1 || answers[0].Err != nil || len(answers[0].Receipt.Events) == 0 {
		r.t.Fatalf("%s was answered %+v", c.CommandName(), answers)
	}
	return answers[0].Receipt.Position
}

// run lets every operation succeed until the core is at rest.
func (r *recorder) run() (answers []sequencer.Answer) {
	version := uint64(0)
	for range 20 {
		ready := r.core.Ready(r.now)
		answers = append(answers, ready.Answers...)
		for _, m := range ready.Stored {
			r.file = binary.BigEndian.AppendUint32(r.file, uint32(len(m.Data)))
			r.file = append(r.file, m.Data...)
		}
		if p := ready.Publish; p != nil {
			r.core.Published(p.Expect, nil)
		}
		if ready.Read {
			r.core.WasRead(r.now, version, nil, nil)
		}
		if w := ready.Write; w != nil {
			r.core.Written(r.now, w.Expect+1, nil)
		}
	}
	return answers
}
