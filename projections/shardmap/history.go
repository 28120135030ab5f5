package shardmap

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Notification is one change of a shard as clients see it. resume is the
// position that it carries: in a watch the resume point, in a diff and a history
// the event's own.
func Notification(current, previous *controlv1.ShardRecord, e projections.EventInfo, resume events.Position) *controlv1.ShardDiffNotification {
	n := &controlv1.ShardDiffNotification{
		Position: int64(resume), Current: current, Previous: previous, EventPosition: int64(e.Position),
	}
	if e.DecisionInfo == nil {
		return n
	}
	owner := previous.GetOwnerNodeId()
	if owner == "" {
		owner = previous.GetLastOwnerNodeId()
	}
	n.History = &controlv1.ShardHistory{
		Actor: e.Actor, Reason: e.Reason, ChangeTicket: e.ChangeTicket, PreviousOwnerNodeId: owner,
		Event: e.Type, Time: timestamppb.New(time.Unix(0, e.Time)),
	}
	return n
}

// History returns up to limit changes of a shard after a position, oldest
// first, as far as a position (0 is now), and the position after which the next
// page begins, 0 at the end.
func History(v *projections.View, namespace, id string, after events.Position, limit int, at events.Position) ([]*controlv1.ShardDiffNotification, events.Position, error) {
	n, ok := parseID(id)
	if !ok {
		return nil, 0, nil
	}
	if at == 0 {
		at = v.Position()
	}
	oldest, more, err := oldestVersions(v, shardKey(namespace, n), after, at, limit)
	if err != nil || len(oldest) == 0 {
		return nil, 0, err
	}
	previous, err := rowAt(v, namespace, id, oldest[0].at-1)
	if err != nil {
		return nil, 0, err
	}
	items := make([]*controlv1.ShardDiffNotification, 0, len(oldest))
	for _, ver := range oldest {
		d, err := v.Decision(ver.at)
		if err != nil {
			return nil, 0, err
		}
		items = append(items, Notification(ver.row, previous, d.Event(ver.at), ver.at))
		previous = ver.row
	}
	if !more {
		return items, 0, nil
	}
	return items, oldest[len(oldest)-1].at, nil
}

type version struct {
	at  events.Position
	row *controlv1.ShardRecord // nil: deleted
}

// rowAt is the row at a position, nil if there is none; 0 is before everything.
func rowAt(v *projections.View, namespace, id string, at events.Position) (*controlv1.ShardRecord, error) {
	if at == 0 {
		return nil, nil
	}
	r, _, err := Get(v, namespace, id, at)
	return r, err
}

// oldestVersions returns the oldest versions in (after, to], oldest first. Kv
// gives the newest first, so all are walked and limit of them kept.
func oldestVersions(v *projections.View, pk kv.Key, after, to events.Position, limit int) (kept []version, more bool, err error) {
	type raw struct {
		at   events.Position
		data []byte
	}
	var ring []raw
	err = v.History(ID, pk, after+1, to, func(p events.Position, row []byte, deleted bool) bool {
		if len(ring) == limit {
			ring, more = ring[1:], true
		}
		r := raw{at: p}
		if !deleted {
			r.data = slices.Clone(row)
		}
		ring = append(ring, r)
		return true
	})
	if err != nil {
		return nil, false, err
	}
	for _, r := range slices.Backward(ring) {
		ver := version{at: r.at}
		if r.data != nil {
			if ver.row, err = (Codec{}).Parse(r.data); err != nil {
				return nil, false, err
			}
		}
		kept = append(kept, ver)
	}
	return kept, more, nil
}

// Diff calls fn with the changes at positions after from, up to and including
// to, of shards that pass the filter before or after the change, in order. It
// ends at the end of a decision once limit changes were given (0 is no limit):
// one decision is always given whole, or a client could not go on. It returns
// the position as far as which the answer is complete.
func Diff(v *projections.View, f Filter, from, to events.Position, limit int, fn func(*controlv1.ShardDiffNotification) error) (events.Position, error) {
	reader := projections.NewChangeReader(v, ID, Codec{}.Parse)
	given := 0
	reached := to
	var decision *projections.DecisionInfo
	err := reader.Read(from, to, func(c projections.RowChange[*controlv1.ShardRecord]) error {
		if !f.Match(c.Current) && !f.Match(c.Previous) {
			return nil
		}
		if limit > 0 && given >= limit && c.Event.DecisionInfo != decision {
			reached = decision.Last
			return errEnough
		}
		given, decision = given+1, c.Event.DecisionInfo
		return fn(Notification(c.Current, c.Previous, c.Event, c.Event.Position))
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	return reached, nil
}

// errEnough ends a diff at its limit.
var errEnough = errors.New("limit reached")
