package model_test

import (
	"bytes"
	"errors"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// world is a log with its model, written as the sequencer writes it: decisions
// are made on a clone, stored together as a frame, or dropped together.
type world struct {
	t      *rapid.T
	stored *model.Model
	head   events.Head
	frames [][]byte
	now    int64
	// asked is what led to the stored frames, for a second run.
	asked []asked
	// effects are the decisions that had a key.
	effects map[string]effect
	witness *witness
	// retries are requests with a key that were sent before.
	retries []commands.Request
	decided int
	// given counts decisions with events by command, over all worlds.
	given map[string]int
}

// asked is a request, and the frame that it was decided for.
type asked struct {
	frame int
	at    int64
	req   commands.Request
}

type effect struct {
	position events.Position
	owed     int64
	hash     events.Hash
}

func newWorld(t *rapid.T, given map[string]int) *world {
	w := &world{t: t, stored: model.New(), now: commandtest.Start().UnixNano(), effects: map[string]effect{}, witness: newWitness(t), given: given}
	w.stored.Freeze()
	return w
}

func image(t interface{ Fatalf(string, ...any) }, m *model.Model) []byte {
	b, err := m.Image()
	if err != nil {
		t.Fatalf("image: %v", err)
	}
	return b
}

func restored(t interface{ Fatalf(string, ...any) }, b []byte) *model.Model {
	m, err := model.FromImage(b)
	if err != nil {
		t.Fatalf("from image: %v", err)
	}
	return m
}

// draft is a frame under way.
type draft struct {
	overlay *model.Model
	frame   *eventsv1.Frame
	next    events.Position
	asked   []asked
	effects map[string]effect
}

func (w *world) begin() *draft {
	at := max(w.now, w.head.Time)
	f := &eventsv1.Frame{LogId: make([]byte, 16), Era: 1, First: uint64(w.head.Position) + 1, Time: at}
	if w.head.Position > 0 {
		f.PrevHash = w.head.Hash[:]
	}
	return &draft{overlay: w.stored.Clone(), frame: f, next: w.head.Position + 1, effects: map[string]effect{}}
}

// submit decides one request on the draft. It reports whether events followed.
func (w *world) submit(d *draft, req commands.Request) bool {
	receipt, done, err := d.overlay.Recall(&req, w.now)
	w.checkRecall(d, req, receipt, done, err)
	if done || err != nil {
		return false
	}
	said := d.overlay.OnBehalf(req)
	meta := commands.Meta{Time: d.frame.Time, Actor: said.Actor, Next: d.next, IfVersion: req.IfVersion}
	before := image(w.t, d.overlay)
	evs, err := d.overlay.Decide(meta, req.Command)
	w.checkPure(d, before, meta, req.Command, evs, err)
	if err != nil || len(evs) == 0 {
		return false
	}
	dec := &eventsv1.Decision{Meta: &eventsv1.Meta{Actor: said.Actor, Command: req.Command.CommandName()}, Events: evs}
	if !req.Key.IsZero() {
		dec.Meta.IdempotencyKey, dec.Meta.RequestHash = req.Key[:], req.Hash[:]
	}
	last := d.next + events.Position(len(evs)) - 1
	for _, e := range evs {
		d.overlay.Evolve(events.Recorded{Position: d.next, Decision: last, Time: d.frame.Time, Meta: dec.Meta, Event: e})
		d.next++
	}
	d.frame.Decisions = append(d.frame.Decisions, dec)
	d.asked = append(d.asked, asked{frame: len(w.frames), at: w.now, req: req})
	if !req.Key.IsZero() {
		d.effects[string(req.Key[:])+req.Actor] = effect{position: last, owed: max(req.Key.Time(), d.frame.Time) + int64(model.KeyWindow), hash: req.Hash}
	}
	w.given[req.Command.CommandName()]++
	return true
}

// checkRecall: one key has one effect; while an effect is owed its answer is
// the same, and afterwards the key is refused (A2).
func (w *world) checkRecall(d *draft, req commands.Request, receipt commands.Receipt, done bool, err error) {
	if req.Key.IsZero() {
		return
	}
	id := string(req.Key[:]) + req.Actor
	had, ok := d.effects[id]
	if !ok {
		had, ok = w.effects[id]
	}
	switch {
	case !ok && done:
		w.t.Fatalf("a key without an effect is answered with position %d", receipt.Position)
	case !ok:
		return
	case had.hash != req.Hash:
		// Refused as long as it is remembered, and as expired afterwards.
		if r := reason(w.t, err); done || r != "idempotency_mismatch" && (r == "" || d.overlay.Time <= had.owed) {
			w.t.Fatalf("a key of another request: done %v, %v", done, err)
		}
	case done && receipt.Position != had.position:
		w.t.Fatalf("a key had its effect at %d and is answered with %d", had.position, receipt.Position)
	case !done && d.overlay.Time <= had.owed:
		w.t.Fatalf("the answer of a key is owed to %d and forgotten at %d: %v", had.owed, d.overlay.Time, err)
	case !done && err == nil:
		w.t.Fatalf("a key that had an effect at %d is good for another", had.position)
	}
}

// checkPure: deciding changes nothing, and deciding again, on this model or on
// one from a snapshot of it, gives the same bytes.
func (w *world) checkPure(d *draft, before []byte, meta commands.Meta, cmd commands.Command, evs []*eventsv1.Event, err error) {
	if !bytes.Equal(before, image(w.t, d.overlay)) {
		w.t.Fatalf("%s has changed the model that it was decided on", cmd.CommandName())
	}
	twin := d.overlay
	if w.decided++; w.decided%4 == 0 { // reading an image is most of this test's time
		twin = restored(w.t, before)
	}
	again, errAgain := twin.Decide(meta, cmd)
	if !bytes.Equal(decisionBytes(w.t, evs), decisionBytes(w.t, again)) || reason(w.t, err) != reason(w.t, errAgain) {
		w.t.Fatalf("%s: %v %v; once more, every fourth from a snapshot: %v %v", cmd.CommandName(), evs, err, again, errAgain)
	}
}

func decisionBytes(t *rapid.T, evs []*eventsv1.Event) []byte {
	b, err := events.Marshal(&eventsv1.Frame{Decisions: []*eventsv1.Decision{{Events: evs}}})
	if err != nil {
		t.Fatalf("a decision that cannot be stored: %v", err)
	}
	return b
}

// reason of a rejection; anything else than a rejection is a failure.
func reason(t *rapid.T, err error) string {
	if err == nil {
		return ""
	}
	var r *commands.Rejected
	if !errors.As(err, &r) {
		t.Fatalf("%v (%T) is no rejection", err, err)
	}
	return r.Reason
}

// store makes the draft the end of the log. Its bytes are what counts: what
// was decided is dropped for what a follower reads.
func (w *world) store(d *draft) {
	if len(d.frame.Decisions) == 0 {
		return
	}
	b, err := events.Marshal(d.frame)
	if err != nil {
		w.t.Fatalf("marshal: %v", err)
	}
	read, head, err := w.head.Next(b)
	if err != nil {
		w.t.Fatalf("the frame does not continue the log: %v", err)
	}
	follower := w.stored.Clone()
	follower.EvolveFrame(read)
	if !bytes.Equal(image(w.t, follower), image(w.t, d.overlay)) {
		w.t.Fatalf("a follower that read the frame has another model than who decided it (T2)")
	}
	w.frames, w.head, w.stored = append(w.frames, b), head, d.overlay
	w.stored.Freeze()
	w.asked = append(w.asked, d.asked...)
	for id, e := range d.effects {
		w.effects[id] = e
	}
	_ = events.Each(read, func(r events.Recorded) error { // fn never fails
		w.witness.see(r)
		return nil
	})
	w.witness.compare(w.stored)
}
