package control

// StartEra opens the first era of an empty log.
type StartEra struct {
	Cluster string
}

// CommandName implements commands.Command.
func (StartEra) CommandName() string { return "control.StartEra" }
