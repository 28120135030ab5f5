package model

import (
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Decisions that more than one context has a part in.

// withQuarantine adds to the closes of sessions the quarantine of shards that one
// owner too many has died of. It stands right behind the close: the last event of
// a decision that opens a session is the opening, whose position is the session.
func (m *Model) withQuarantine(meta commands.Meta, evs []*eventsv1.Event) []*eventsv1.Event {
	for i, e := range evs {
		closed := e.GetSessionClosed()
		if closed == nil {
			continue
		}
		more := m.Shard.Quarantine(meta.Time, closed)
		if len(more) == 0 {
			return evs
		}
		out := append(evs[:i+1:i+1], more...)
		return append(out, evs[i+1:]...) // a decision closes one session
	}
	return evs
}

func (m *Model) decideSchedule(meta commands.Meta, cmd commands.Command) ([]*eventsv1.Event, error) {
	c, ok := cmd.(schedule.Fire)
	if !ok {
		return m.Schedule.Decide(meta, cmd)
	}
	f, err := m.Schedule.Due(meta, c)
	if err != nil {
		return nil, err
	}
	var done []*eventsv1.Event
	if !f.Skip {
		inner := commands.Meta{Time: meta.Time, Actor: f.Schedule.Creator, Next: meta.Next + 1} // behind the firing
		done, err = m.act(inner, f.Schedule.Action)
	}
	fired, err := f.Fired(meta, err)
	if err != nil {
		return nil, err
	}
	return append([]*eventsv1.Event{fired}, done...), nil
}

// act decides the command of an action.
func (m *Model) act(meta commands.Meta, a schedule.Action) ([]*eventsv1.Event, error) {
	switch a.Verb {
	case schedule.Cordon:
		return m.Decide(meta, membership.Cordon{NodeID: a.NodeID})
	case schedule.Uncordon:
		return m.Decide(meta, membership.Uncordon{NodeID: a.NodeID})
	case schedule.Drain:
		return m.Decide(meta, membership.Drain{NodeID: a.NodeID, Within: a.Within})
	case schedule.CancelDrain:
		return m.Decide(meta, membership.CancelDrain{NodeID: a.NodeID})
	case schedule.MoveShards:
		return m.Decide(meta, shard.Move{Namespace: a.Namespace, Shards: a.Shards, To: a.NodeID})
	case schedule.PauseShards:
		return m.Decide(meta, shard.Pause{Namespace: a.Namespace, Shards: a.Shards})
	case schedule.ResumeShards:
		return m.Decide(meta, shard.Resume{Namespace: a.Namespace, Shards: a.Shards})
	case schedule.Unquarantine:
		return m.Decide(meta, shard.Unquarantine{Namespace: a.Namespace, Shards: a.Shards})
	}
	return nil, unknownCommand("schedule." + string(a.Verb))
}

// OnBehalf is a request as its decision is recorded: see [schedule.State.OnBehalf].
func (m *Model) OnBehalf(r commands.Request) commands.Request { return m.Schedule.OnBehalf(r) }
