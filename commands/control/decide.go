package control

import (
	"github.com/omnirelay/omnirelay/commands"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Decide starts the log.
func (s *State) Decide(meta commands.Meta, c StartEra) ([]*eventsv1.Event, error) {
	if err := commands.CheckName("cluster", c.Cluster); err != nil {
		return nil, err
	}
	if s.Era != 0 {
		return nil, commands.Refuse("already_started", "the log of cluster %s is in era %d", s.Cluster, s.Era)
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_EraStarted{EraStarted: &eventsv1.EraStarted{
		ClusterId: c.Cluster, Era: 1, Next: uint64(meta.Next),
	}}}}, nil
}
