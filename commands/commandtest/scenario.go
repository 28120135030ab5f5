package commandtest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Model is what a scenario drives; *model.Model is one.
type Model interface {
	Decide(commands.Meta, commands.Command) ([]*eventsv1.Event, error)
	Evolve(events.Recorded)
	Image() ([]byte, error)
}

// Start is the log time at which scenarios begin.
func Start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// Scenario is a history and the questions that are asked of it.
type Scenario struct {
	t     testing.TB
	model Model
	now   time.Time
	next  events.Position
	meta  commands.Meta
}

// New returns a scenario on an empty model.
func New(t testing.TB, m Model) *Scenario {
	return &Scenario{t: t, model: m, now: Start(), next: 1, meta: commands.Meta{Actor: "user/test"}}
}

// Given records events, each a decision of its own.
func (s *Scenario) Given(msgs ...proto.Message) *Scenario {
	s.t.Helper()
	for _, m := range msgs {
		s.record("", []*eventsv1.Event{Event(s.t, m)})
	}
	return s
}

// After lets log time pass.
func (s *Scenario) After(d time.Duration) *Scenario {
	s.now = s.now.Add(d)
	return s
}

// As names who asks from now on.
func (s *Scenario) As(actor string) *Scenario {
	s.meta.Actor = actor
	return s
}

// IfVersion asks for a version, of the next command alone.
func (s *Scenario) IfVersion(version uint64) *Scenario {
	s.meta.IfVersion = version
	return s
}

// Position is the last position so far.
func (s *Scenario) Position() events.Position { return s.next - 1 }

// When decides a command.
func (s *Scenario) When(cmd commands.Command) *Outcome {
	s.t.Helper()
	meta := s.meta
	s.meta.IfVersion = 0
	meta.Time, meta.Next = s.now.UnixNano(), s.next
	before := s.image()
	evs, err := s.model.Decide(meta, cmd)
	again, errAgain := s.model.Decide(meta, cmd)
	if !bytes.Equal(before, s.image()) {
		s.t.Fatalf("%s: deciding has changed the model", cmd.CommandName())
	}
	if diff := cmp.Diff(evs, again, protocmp.Transform()); diff != "" || (err == nil) != (errAgain == nil) {
		s.t.Fatalf("%s: the same decision has two outcomes (%v, %v):\n%s", cmd.CommandName(), err, errAgain, diff)
	}
	return &Outcome{s: s, cmd: cmd, events: evs, err: err}
}

func (s *Scenario) image() []byte {
	s.t.Helper()
	b, err := s.model.Image()
	if err != nil {
		s.t.Fatalf("image: %v", err)
	}
	return b
}

// record evolves one decision of a command as it is read from the log.
func (s *Scenario) record(command string, evs []*eventsv1.Event) {
	s.t.Helper()
	b, err := events.Marshal(&eventsv1.Frame{First: uint64(s.next), Time: s.now.UnixNano(),
		Decisions: []*eventsv1.Decision{{Meta: &eventsv1.Meta{Actor: s.meta.Actor, Command: command}, Events: evs}}})
	if err != nil {
		s.t.Fatalf("the decision cannot be stored: %v", err)
	}
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(b, f); err != nil {
		s.t.Fatalf("the decision cannot be read: %v", err)
	}
	_ = events.Each(f, func(r events.Recorded) error { // fn never fails
		s.model.Evolve(r)
		return nil
	})
	s.next += events.Position(len(evs))
}

// Outcome is what a command came to.
type Outcome struct {
	s      *Scenario
	cmd    commands.Command
	events []*eventsv1.Event
	err    error
}

// Then wants exactly these events, and records them.
func (o *Outcome) Then(want ...proto.Message) *Scenario {
	o.s.t.Helper()
	if o.err != nil {
		o.s.t.Fatalf("%s: refused, want %d events: %v", o.cmd.CommandName(), len(want), o.err)
	}
	wanted := make([]*eventsv1.Event, len(want))
	for i, m := range want {
		wanted[i] = Event(o.s.t, m)
	}
	if diff := cmp.Diff(wanted, o.events, protocmp.Transform()); diff != "" {
		o.s.t.Fatalf("%s: events (-want +got):\n%s", o.cmd.CommandName(), diff)
	}
	o.s.record(o.cmd.CommandName(), o.events)
	return o.s
}

// ThenNothing wants that the command is done already: no event, no refusal.
func (o *Outcome) ThenNothing() *Scenario {
	o.s.t.Helper()
	if o.err != nil {
		o.s.t.Fatalf("%s: refused, want nothing to do: %v", o.cmd.CommandName(), o.err)
	}
	if len(o.events) > 0 {
		o.s.t.Fatalf("%s: want no event, got:\n%s", o.cmd.CommandName(), cmp.Diff(nil, o.events, protocmp.Transform()))
	}
	return o.s
}

// ThenDone wants that the command is accepted, and records what it gave.
func (o *Outcome) ThenDone() *Scenario {
	o.s.t.Helper()
	if o.err != nil {
		o.s.t.Fatalf("%s: refused: %v", o.cmd.CommandName(), o.err)
	}
	o.s.record(o.cmd.CommandName(), o.events)
	return o.s
}

// ThenRejected wants a rejection with this reason.
func (o *Outcome) ThenRejected(reason string) *Scenario {
	o.s.t.Helper()
	o.Rejected(reason)
	return o.s
}

// ThenInvalid wants a rejection that names this field and what it allows.
func (o *Outcome) ThenInvalid(field string) *Scenario {
	o.s.t.Helper()
	r := o.rejection()
	if r.Kind != commands.Invalid || r.Field != field || r.Allowed == "" {
		o.s.t.Fatalf("%s: want an invalid %s and what it allows, got %+v", o.cmd.CommandName(), field, *r)
	}
	return o.s
}

// Rejected is ThenRejected for a test that looks at the rejection itself.
func (o *Outcome) Rejected(reason string) *commands.Rejected {
	o.s.t.Helper()
	r := o.rejection()
	if r.Reason != reason {
		o.s.t.Fatalf("%s: rejected for %s (%s), want %s", o.cmd.CommandName(), r.Reason, r.Message, reason)
	}
	return r
}

func (o *Outcome) rejection() *commands.Rejected {
	o.s.t.Helper()
	if o.err == nil {
		o.s.t.Fatalf("%s: want a rejection, got %d events:\n%s", o.cmd.CommandName(), len(o.events), cmp.Diff(nil, o.events, protocmp.Transform()))
	}
	var r *commands.Rejected
	if !errors.As(o.err, &r) {
		o.s.t.Fatalf("%s: %v (%T) is no rejection", o.cmd.CommandName(), o.err, o.err)
	}
	if len(o.events) > 0 {
		o.s.t.Fatalf("%s: rejected with %d events", o.cmd.CommandName(), len(o.events))
	}
	if r.Reason == "" || r.Message == "" {
		o.s.t.Fatalf("%s: a rejection without reason or message: %+v", o.cmd.CommandName(), *r)
	}
	return r
}
