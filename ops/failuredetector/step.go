package failuredetector

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// View is what the control leader knows when it looks. Times are boot time,
// nanoseconds.
type View struct {
	Now int64
	// Self is the server that leads, Since when it gained authority.
	Self  string
	Since int64
	// Servers are those on the log, Self among them.
	Servers []Server
}

// Server is a server as the log has it, and what was heard of it.
type Server struct {
	Name string
	Lost eventsv1.ServerLossCause
	// Back is when the leader saw that it had returned by the log; 0 when it did not.
	Back int64
	// Heard is when its last sign of life came; 0 is never. Stops: by that it stops.
	Heard int64
	Stops bool
}

// Step returns what is to be noted, and after how long to look again; 0 is when
// the log changes.
func Step(v View) (cmds []commands.Command, next time.Duration) {
	for _, s := range v.Servers {
		if s.Name != v.Self {
			next = LookEvery
		}
		if cmd := v.verdict(s); cmd != nil {
			cmds = append(cmds, cmd)
		}
	}
	return cmds, next
}

// verdict is what is to be noted of a server, nil when the log says it.
func (v View) verdict(s Server) commands.Command {
	const (
		silent  = eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT
		stopped = eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_STOPPED
	)
	here := s.Name == v.Self || s.Heard != 0 && !s.Stops && time.Duration(v.Now-s.Heard) <= HeardWithin
	quiet := time.Duration(v.Now - max(s.Heard, v.Since, s.Back))
	switch {
	case here && s.Lost != 0:
		return membership.ReturnServer{NodeID: s.Name}
	case here:
		return nil
	case s.Stops && s.Lost != stopped && s.Heard > s.Back: // not the last word of a process before
		return membership.LoseServer{NodeID: s.Name, Cause: stopped}
	case s.Lost == 0 && quiet >= SilentAfter:
		return membership.LoseServer{NodeID: s.Name, Cause: silent}
	}
	return nil
}
