package control

import (
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
)

// StartEra opens the first era of an empty log. Later eras are opened by a
// restore, which is no command: there is no server that could decide it.
type StartEra struct {
	Cluster string
}

// SettleEra ends the time after a restore in which leases of before may live.
// Whoever asks has waited that long.
type SettleEra struct {
	Era uint64
}

// Seal ends the log until it is unsealed, here or where it was copied to.
type Seal struct{}

// Unseal takes the seal away.
type Unseal struct{}

// RecordHealing tells that frames which the log had lost are back on it.
type RecordHealing struct {
	// First and Last position of what was missing.
	First, Last events.Position
	// Frames that were missing, and the hash of the last of them.
	Frames uint64
	Hash   events.Hash
	// KeptBy is the server that had kept them.
	KeptBy string
}

// ReplaceReplica tells that a server's copy of the log is on a new directory.
// Whoever asks has brought that about.
type ReplaceReplica struct {
	Server string
}

// CommandName implements commands.Command.
func (StartEra) CommandName() string { return "control.StartEra" }

// CommandName implements commands.Command.
func (SettleEra) CommandName() string { return "control.SettleEra" }

// CommandName implements commands.Command.
func (Seal) CommandName() string { return "control.Seal" }

// CommandName implements commands.Command.
func (Unseal) CommandName() string { return unsealName }

// CommandName implements commands.Command.
func (RecordHealing) CommandName() string { return "control.RecordHealing" }

// CommandName implements commands.Command.
func (ReplaceReplica) CommandName() string { return "control.ReplaceReplica" }

// The commands that a closed log treats in a way of their own.
const (
	unsealName = "control.Unseal"
	grantName  = "leadership.GrantControl"
	openName   = "membership.OpenSession"
)

var _ commands.Command = Seal{}
