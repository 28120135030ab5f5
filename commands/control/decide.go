package control

import (
	"github.com/omnirelay/omnirelay/commands"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Admit refuses a command, of any context, that must not be decided on a log in
// this state. On a sealed one that is all but two: taking the seal away, and the
// grant of a server that starts, without which nobody could take it away.
func (s *State) Admit(cmd commands.Command) error {
	name := cmd.CommandName()
	switch {
	case s.Sealed != 0 && name != unsealName && name != grantName:
		return commands.Refuse("log_sealed", "the log is sealed since position %d and takes no %s", s.Sealed, name)
	case s.Settling && name == openName:
		return commands.Refuse("era_settling", "era %d was restored: no session is opened before all leases of the time before are over", s.Era)
	}
	return nil
}

// Decide decides one command of this context.
func (s *State) Decide(meta commands.Meta, cmd commands.Command) ([]*eventsv1.Event, error) {
	switch c := cmd.(type) {
	case StartEra:
		return s.startEra(meta, c)
	case SettleEra:
		return s.settleEra(c)
	case Seal:
		if s.Era == 0 {
			return nil, commands.Refuse("not_started", "an empty log cannot be sealed")
		}
		return []*eventsv1.Event{{Kind: &eventsv1.Event_LogSealed{LogSealed: &eventsv1.LogSealed{}}}}, nil
	case RecordHealing:
		return s.recordHealing(meta, c)
	case ReplaceReplica:
		if err := commands.CheckName("server", c.Server); err != nil {
			return nil, err
		}
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ReplicaReplaced{ReplicaReplaced: &eventsv1.ReplicaReplaced{Server: c.Server}}}}, nil
	case Unseal:
		if s.Sealed == 0 {
			return nil, commands.Refuse("not_sealed", "the log is not sealed")
		}
		return []*eventsv1.Event{{Kind: &eventsv1.Event_LogResumed{LogResumed: &eventsv1.LogResumed{Sealed: uint64(s.Sealed)}}}}, nil
	}
	return nil, &commands.Rejected{Kind: commands.Invalid, Reason: "command_unknown", Message: cmd.CommandName() + " is no command"}
}

func (s *State) startEra(meta commands.Meta, c StartEra) ([]*eventsv1.Event, error) {
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

// settleEra settles the present era; one that is settled already stays so.
func (s *State) settleEra(c SettleEra) ([]*eventsv1.Event, error) {
	if c.Era != s.Era {
		return nil, commands.Refuse("era_other", "the log is in era %d, not in era %d", s.Era, c.Era)
	}
	if !s.Settling {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_EraSettled{EraSettled: &eventsv1.EraSettled{Era: s.Era}}}}, nil
}

// recordHealing tells once what was put back: several servers may have done so side
// by side.
func (s *State) recordHealing(meta commands.Meta, c RecordHealing) ([]*eventsv1.Event, error) {
	if err := commands.CheckName("kept_by", c.KeptBy); err != nil {
		return nil, err
	}
	if c.First == 0 || c.Last < c.First || c.Last >= meta.Next {
		return nil, commands.BadField("last", "positions that are on the log", "is %d, after %d and before %d", c.Last, c.First, meta.Next)
	}
	if c.Last <= s.HealedTo {
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_LogTailHealed{LogTailHealed: &eventsv1.LogTailHealed{
		ClusterId: s.Cluster, First: uint64(c.First), Last: uint64(c.Last), Frames: c.Frames, Hash: c.Hash[:], KeptBy: c.KeptBy,
	}}}}, nil
}
