package schedule

import (
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// How the parts of a schedule are in events.

func (t Timing) proto() *eventsv1.ScheduleTiming {
	switch {
	case t.Every != 0:
		return &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_EveryMs{EveryMs: t.Every.Milliseconds()}}
	case t.Cron != "":
		return &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_Cron{Cron: t.Cron}}
	}
	return &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_AtMs{AtMs: t.At}}
}

func timingOf(p *eventsv1.ScheduleTiming) Timing {
	return Timing{At: p.GetAtMs(), Every: time.Duration(p.GetEveryMs()) * time.Millisecond, Cron: p.GetCron()}
}

func (r Retry) proto() *eventsv1.ScheduleRetry {
	return &eventsv1.ScheduleRetry{Attempts: r.Attempts, BackoffMs: r.Backoff.Milliseconds(), BackoffMaxMs: r.MaxBackoff.Milliseconds()}
}

func retryOf(p *eventsv1.ScheduleRetry) Retry {
	return Retry{
		Attempts: p.GetAttempts(), Backoff: time.Duration(p.GetBackoffMs()) * time.Millisecond,
		MaxBackoff: time.Duration(p.GetBackoffMaxMs()) * time.Millisecond,
	}
}

func (a Action) proto() *eventsv1.ScheduledAction {
	node := &eventsv1.ScheduledNode{NodeId: a.NodeID}
	shards := &eventsv1.ScheduledShards{Namespace: a.Namespace, Shards: events.PackShards(a.Shards)}
	switch a.Verb {
	case Cordon:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Cordon{Cordon: node}}
	case Uncordon:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Uncordon{Uncordon: node}}
	case Drain:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Drain{Drain: &eventsv1.ScheduledDrain{
			NodeId: a.NodeID, WithinMs: a.Within.Milliseconds(),
		}}}
	case CancelDrain:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_CancelDrain{CancelDrain: node}}
	case MoveShards:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Move{Move: &eventsv1.ScheduledMove{
			Namespace: a.Namespace, Shards: shards.Shards, To: a.NodeID,
		}}}
	case PauseShards:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Pause{Pause: shards}}
	case ResumeShards:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Resume{Resume: shards}}
	case Unquarantine:
		return &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Unquarantine{Unquarantine: shards}}
	}
	return nil
}

// actionOf reads an action; one that a newer release added has no verb here, and
// is rejected when it is due.
func actionOf(p *eventsv1.ScheduledAction) Action {
	switch k := p.GetAction().(type) {
	case *eventsv1.ScheduledAction_Cordon:
		return Action{Verb: Cordon, NodeID: k.Cordon.GetNodeId()}
	case *eventsv1.ScheduledAction_Uncordon:
		return Action{Verb: Uncordon, NodeID: k.Uncordon.GetNodeId()}
	case *eventsv1.ScheduledAction_Drain:
		return Action{Verb: Drain, NodeID: k.Drain.GetNodeId(), Within: time.Duration(k.Drain.GetWithinMs()) * time.Millisecond}
	case *eventsv1.ScheduledAction_CancelDrain:
		return Action{Verb: CancelDrain, NodeID: k.CancelDrain.GetNodeId()}
	case *eventsv1.ScheduledAction_Move:
		return Action{Verb: MoveShards, NodeID: k.Move.GetTo(), Namespace: k.Move.GetNamespace(), Shards: unpack(k.Move.GetShards())}
	case *eventsv1.ScheduledAction_Pause:
		return ofShards(PauseShards, k.Pause)
	case *eventsv1.ScheduledAction_Resume:
		return ofShards(ResumeShards, k.Resume)
	case *eventsv1.ScheduledAction_Unquarantine:
		return ofShards(Unquarantine, k.Unquarantine)
	}
	return Action{}
}

func ofShards(verb Verb, p *eventsv1.ScheduledShards) Action {
	return Action{Verb: verb, Namespace: p.GetNamespace(), Shards: unpack(p.GetShards())}
}

func unpack(set *eventsv1.ShardSet) []uint32 {
	ids := make([]uint32, 0, events.CountShards(set))
	events.EachShard(set, func(id uint32) { ids = append(ids, id) })
	return ids
}
