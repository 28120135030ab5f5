package policy

import (
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Decide decides one command of this context. Setting what already holds changes
// nothing.
func (s *State) Decide(meta commands.Meta, cmd commands.Command) ([]*eventsv1.Event, error) {
	switch c := cmd.(type) {
	case SetSession:
		return s.setSession(meta, c)
	case CreateMaintenance:
		return s.createMaintenance(meta, c)
	case EndMaintenance:
		return s.endMaintenance(meta, c)
	case DeleteMaintenance:
		return s.deleteMaintenance(meta, c)
	case SetQuarantine:
		return s.setQuarantine(meta, c)
	}
	return nil, commands.BadField("command", "a command of policy", "%q is none", cmd.CommandName())
}

// setQuarantine sets when shards are quarantined.
func (s *State) setQuarantine(meta commands.Meta, c SetQuarantine) ([]*eventsv1.Event, error) {
	name := id(QuarantineKind, DefaultName)
	old, _ := s.policies.Get(name)
	if err := commands.CheckVersion(meta, "policy", name, old.Version); err != nil {
		return nil, err
	}
	q := s.Quarantine()
	set(&q.Deaths, c.Deaths)
	set(&q.Window, c.Window)
	set(&q.MaxAtOnce, c.MaxAtOnce)
	set(&q.Disabled, c.Disabled)
	q.Window = q.Window.Truncate(time.Millisecond) // what the event can say
	if err := q.check(); err != nil {
		return nil, err
	}
	if q == s.Quarantine() {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{
		Kind: QuarantineKind, Name: DefaultName, Version: old.Version + 1,
		Spec: &eventsv1.PolicySet_Quarantine{Quarantine: &eventsv1.QuarantinePolicy{
			Deaths: q.Deaths, WindowMs: uint64(q.Window / time.Millisecond), MaxAtOnce: q.MaxAtOnce, Disabled: q.Disabled,
		}},
	}}}}, nil
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

func (q Quarantine) check() error {
	switch {
	case q.Deaths < 1 || q.Deaths > MaxQuarantineDeaths:
		return commands.BadField("deaths", fmt.Sprintf("1 to %d", MaxQuarantineDeaths), "is %d", q.Deaths)
	case q.Window < MinQuarantineWindow || q.Window > MaxQuarantineWindow:
		return commands.BadField("windowMs", fmt.Sprintf("%s to %s", MinQuarantineWindow, MaxQuarantineWindow), "is %s", q.Window)
	case q.MaxAtOnce < 1 || q.MaxAtOnce > MaxQuarantineAtOnce:
		return commands.BadField("maxAtOnce", fmt.Sprintf("1 to %d", MaxQuarantineAtOnce), "is %d", q.MaxAtOnce)
	}
	return nil
}

// setSession sets the time to live of sessions.
func (s *State) setSession(meta commands.Meta, c SetSession) ([]*eventsv1.Event, error) {
	if c.TTL < MinSessionTTL || c.TTL > MaxSessionTTL {
		return nil, commands.BadField("sessionTtl", MinSessionTTL.String()+" to "+MaxSessionTTL.String(), "is %s", c.TTL)
	}
	ttl := c.TTL.Truncate(time.Millisecond) // what the event can say
	old, _ := s.policies.Get(id(SessionKind, DefaultName))
	if err := commands.CheckVersion(meta, "policy", id(SessionKind, DefaultName), old.Version); err != nil {
		return nil, err
	}
	if old.SessionTTL == ttl {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{
		Kind: SessionKind, Name: DefaultName, Version: old.Version + 1,
		Spec: &eventsv1.PolicySet_Session{Session: &eventsv1.SessionPolicy{TtlMs: uint32(ttl / time.Millisecond)}},
	}}}}, nil
}
