package policy

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Decide decides one command of this context.
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
	}
	return nil, commands.BadField("command", "a command of policy", "%q is none", cmd.CommandName())
}

// setSession sets the session policy. Setting what already holds changes nothing.
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
