package member

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// The waits before a watch that was refused is opened again.
const (
	rewatchMin = 100 * time.Millisecond
	rewatchMax = 5 * time.Second
)

// feed tells the loop of every change of a row that concerns this node, from a
// snapshot on: a move may have come here before the session did.
// The client's watch goes on over cuts by itself; feed begins anew when it was
// refused.
func (m *Member) feed(ctx context.Context) {
	f := &feeding{m: m}
	pauses := waits{min: rewatchMin, max: rewatchMax}
	for ctx.Err() == nil {
		before := f.at
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errOldSnapshot) {
			m.log.Debug("the server is behind, own shards are asked for again", "error", err)
		} else {
			m.log.Warn("watch of own shards ended, it begins anew", "error", err)
		}
		if forgotten(err) {
			f.at = 0 // from a snapshot
		}
		if f.at > before {
			pauses.reset()
		}
		pauses.pause(ctx)
	}
}

// forgotten reports whether a position can be resumed no more.
func forgotten(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Code == connect.CodeOutOfRange
}

// feeding is one feed.
type feeding struct {
	m  *Member
	at int64 // resume after; 0 is from a snapshot
	// rows of a snapshot that has not ended.
	rows []Row
}

var errOldSnapshot = errors.New("the snapshot is older than what was seen")

func (f *feeding) follow(ctx context.Context) error {
	f.rows = nil
	snapshot := f.at == 0
	req := &controlv1.ShardWatchRequest{InvolvesNodeId: f.m.cfg.NodeID, ResumeToken: f.at, Bookmarks: true}
	for n, err := range f.m.client.Shards.Watch(ctx, req) {
		if err != nil {
			return err
		}
		bookmark := n.GetCurrent() == nil && n.GetPrevious() == nil
		switch {
		case snapshot && bookmark:
			// The watch of the client may resume from another server; only a
			// snapshot at a position not older than all seen is one (S1).
			if n.GetPosition() < f.m.position.Load() {
				return errOldSnapshot
			}
			snapshot = false
			f.m.report(Snapshot{Position: n.GetPosition(), Rows: f.rows})
			f.rows = nil
		case snapshot:
			if err := f.collect(n); err != nil {
				return err
			}
			continue
		case bookmark:
			f.m.report(Seen{Position: n.GetPosition()})
		default:
			in, err := changeOf(n)
			if err != nil {
				return err
			}
			f.m.report(in)
		}
		f.at = n.GetPosition()
	}
	return nil
}

// collect keeps a row of a snapshot; the last word on a shard counts.
func (f *feeding) collect(n *controlv1.ShardDiffNotification) error {
	if n.GetCurrent() == nil {
		return f.drop(n.GetPrevious())
	}
	row, err := rowOf(n.GetCurrent())
	if err == nil {
		f.rows = append(f.rows, row)
	}
	return err
}

func (f *feeding) drop(rec *controlv1.ShardRecord) error {
	row, err := rowOf(rec)
	if err == nil {
		f.rows = append(f.rows, Row{Ref: row.Ref})
	}
	return err
}

func changeOf(n *controlv1.ShardDiffNotification) (Input, error) {
	if n.GetCurrent() == nil {
		row, err := rowOf(n.GetPrevious())
		return Gone{Position: n.GetPosition(), Ref: row.Ref}, err
	}
	row, err := rowOf(n.GetCurrent())
	return Changed{Position: n.GetPosition(), Row: row}, err
}

// rowOf is what the Core must know of a record. Shards of a namespace that is
// being deleted are disabled: their owners are asked to release as well.
func rowOf(rec *controlv1.ShardRecord) (Row, error) {
	id, err := shardID(rec)
	return Row{
		Ref:   Ref{Namespace: rec.GetNamespace(), Shard: id},
		Owner: rec.GetOwnerNodeId(), Session: rec.GetSessionId(), Fence: rec.GetFenceToken(), To: rec.GetMoveToNodeId(),
		Mode: Mode(rec.GetOwnership()), TTL: rec.GetOwnershipTtlMs() * int64(time.Millisecond),
		Draining: rec.GetMoveToNodeId() != "" && rec.GetMovePhase() != controlv1.MovePhase_MOVE_PHASE_PREPARING ||
			rec.GetStatus() == controlv1.ShardStatus_SHARD_STATUS_DISABLED,
	}, err
}

func shardID(rec *controlv1.ShardRecord) (uint32, error) {
	id, err := strconv.ParseUint(rec.GetShardId(), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("member: shard id %q of namespace %q is no number (allowed: 0 to 4294967295)", rec.GetShardId(), rec.GetNamespace())
	}
	return uint32(id), nil
}
