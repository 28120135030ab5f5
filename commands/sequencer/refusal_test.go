package sequencer_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// TestRefusalsAreReported: every rejection once, with who asked for what and the
// position that it was decided on, before its caller knows; nothing else.
func TestRefusalsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type refusal struct {
			Actor, Command, Code, Reason, Ticket, Correlation string
			Position                                          events.Position
		}
		var got []refusal
		opts := options(memlog.New(nil), memlog.NewRegister(nil))
		opts.OnRefused = func(r sequencer.Refusal) {
			if at := time.Unix(0, r.Time); time.Since(at) > time.Minute {
				t.Errorf("refused at %s", at)
			}
			got = append(got, refusal{r.Request.Actor, r.Request.Command.CommandName(), r.Rejected.Reason,
				r.Request.Reason, r.Request.ChangeTicket, r.Request.CorrelationID, r.Position})
		}
		s := running(opts)
		head := s.View().Mark.Position
		_, err := s.Submit(t.Context(), commands.Request{
			Command: membership.Cordon{NodeID: "nobody"}, Actor: "user/ann", Reason: "why", ChangeTicket: "T-1", CorrelationID: "c-1",
		})
		var rejected *commands.Rejected
		if !errors.As(err, &rejected) {
			t.Fatalf("submit: %v; want a rejection", err)
		}
		want := []refusal{{"user/ann", "membership.Cordon", rejected.Reason, "why", "T-1", "c-1", head}}
		if diff := cmp.Diff(want, got); diff != "" { // the caller has its answer: it was reported before
			t.Error(diff)
		}
		if _, err := s.Submit(t.Context(), label("x")); err != nil {
			t.Error(err)
		}
		if _, err := s.Barrier(t.Context()); err != nil {
			t.Error(err)
		}
		if len(got) != 1 {
			t.Errorf("%d refusals, want 1: %v", len(got), got)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}
