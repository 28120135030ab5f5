package sim

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// projectedSeeds is how many simulated logs are projected.
const projectedSeeds = 12

// TestProjectionOfSimulatedLogs holds the shard table to the write model, which
// is written without it: at the head (T2), and as of past frames (T3), row by
// row, versions included (S4).
func TestProjectionOfSimulatedLogs(t *testing.T) {
	for seed := uint64(1); seed <= projectedSeeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w, err := runSeed(seed, nil)
			if err != nil {
				t.Fatal(err)
			}
			frames := replayFrames(t, w.log)
			head := frames[len(frames)-1]
			p := projectiontest.RunTo(t, w.log, projectiontest.Config(vfs.NewMem(), shardmap.Table{}), head.Position)
			defer projectiontest.Close(t, p)
			v := projectiontest.View(t, p)
			defer v.Release()
			compareShards(t, v, head, 0)
			for range 20 {
				m := frames[w.rng.IntN(len(frames))]
				compareShards(t, v, m, m.Position)
			}
		})
	}
}

// replayFrames returns the model after each frame.
func replayFrames(t *testing.T, log *memlog.Log) []*model.Model {
	t.Helper()
	var frames []*model.Model
	m, head := model.New(), events.Head{}
	last, err := log.Last(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, msg := range log.Messages(1, int(last)) {
		frame, next, err := head.Next(msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		m = m.Clone()
		m.EvolveFrame(frame)
		frames, head = append(frames, m), next
	}
	return frames
}

func compareShards(t *testing.T, v *projections.View, m *model.Model, at events.Position) {
	t.Helper()
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			row, ok, err := shardmap.Get(v, ns.Name, fmt.Sprint(id), at)
			if err != nil || !ok {
				t.Fatalf("as of %d, %s/%d: no row (%v)", at, ns.Name, id, err)
			}
			if got, want := fromRow(row), fromModel(sh, ns.Deleting); got != want {
				t.Fatalf("as of %d, %s/%d:\nrow   %+v\nmodel %+v", at, ns.Name, id, got, want)
			}
			return true
		})
		return true
	})
}

// facts are what row and model both know of a shard.
type facts struct {
	owner, last, to         string
	session, fence, version int64
	held                    int64
	readers                 string
	status                  controlv1.ShardStatus
}

func fromRow(r *controlv1.ShardRecord) facts {
	f := facts{
		owner: r.OwnerNodeId, last: r.LastOwnerNodeId, to: r.MoveToNodeId, session: r.SessionId,
		fence: r.FenceToken, version: r.Version, status: r.Status, readers: strings.Join(r.ReaderNodeIds, " "),
	}
	if r.HeldUntil != nil {
		f.held = r.HeldUntil.AsTime().UnixNano()
	}
	return f
}

func fromModel(sh *shard.Shard, deleting bool) facts {
	f := facts{
		owner: sh.Owner, last: sh.LastOwner, to: sh.MoveTo, session: int64(sh.Session),
		fence: int64(sh.Fence), version: int64(sh.Version), held: sh.HeldUntil, readers: strings.Join(sh.Readers.Nodes(), " "),
		status: controlv1.ShardStatus_SHARD_STATUS_ACTIVE,
	}
	switch {
	case deleting, sh.Quarantined():
		f.status = controlv1.ShardStatus_SHARD_STATUS_DISABLED
	case sh.Paused:
		f.status = controlv1.ShardStatus_SHARD_STATUS_PAUSED
	case sh.Moving():
		f.status = controlv1.ShardStatus_SHARD_STATUS_DRAINING
	}
	return f
}
