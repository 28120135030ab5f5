package node

import (
	"context"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
)

// healedEvery is how often this server looks whether it has put something back on
// the log that the log was not told of.
const healedEvery = 500 * time.Millisecond

// tellHealings tells the log what it had lost and was given back by this server. It
// asks again until that is decided; the store keeps it over a restart.
func (s *server) tellHealings(ctx context.Context) error {
	tick := time.NewTicker(healedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		h, ok := s.store.Healed()
		if !ok {
			continue
		}
		_, err := s.forward.Submit(ctx, commands.Request{
			Actor: serverActor(s.cfg.Name), Reason: "the log had lost its end",
			Command: control.RecordHealing{First: h.First, Last: h.Last, Frames: h.Messages, Hash: h.Hash, KeptBy: h.From},
		})
		if err == nil {
			err = s.store.HealedLogged(h)
		}
		if err != nil {
			s.log.Debug("the log does not say yet what was put back", "error", err)
		}
	}
}
