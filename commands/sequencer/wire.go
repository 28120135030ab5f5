package sequencer

import (
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
)

// Bounds of what servers send each other: the message of NATS has 1 MiB, of which
// its headers and our frame around the content need a little.
const (
	// MaxMessage bounds the bytes of a message, either way.
	MaxMessage = 960 << 10
	// maxRequest bounds one request in its wire form. A larger command is rejected
	// with too_large, and is done by the leader itself only.
	maxRequest = MaxMessage - 1<<10
	// maxBatch and maxBatchBytes bound a batch of more than one request.
	maxBatch      = 256
	maxBatchBytes = 512 << 10
)

// ask is one message from a server to the control leader. Numbers of fields are
// append only, here and below. The receiver refuses numbers that it does not know
// in what it is asked for, and passes over those in what it is answered: an effect
// is not undone by a remark that nobody reads.
type ask struct {
	// Wait is how long the leader may take, nanoseconds.
	Wait int64 `cbor:"1,keyasint"`
	// Barrier asks for a linearizable position, too.
	Barrier  bool              `cbor:"2,keyasint,omitempty"`
	Requests []cbor.RawMessage `cbor:"3,keyasint,omitempty"`
}

// wireRequest is a commands.Request.
type wireRequest struct {
	Name          string          `cbor:"1,keyasint"`
	Command       cbor.RawMessage `cbor:"2,keyasint"`
	Actor         string          `cbor:"3,keyasint,omitempty"`
	Reason        string          `cbor:"4,keyasint,omitempty"`
	ChangeTicket  string          `cbor:"5,keyasint,omitempty"`
	CorrelationID string          `cbor:"6,keyasint,omitempty"`
	CausationID   string          `cbor:"7,keyasint,omitempty"`
	Key           []byte          `cbor:"8,keyasint,omitempty"`
	Hash          []byte          `cbor:"9,keyasint,omitempty"`
	IfVersion     uint64          `cbor:"10,keyasint,omitempty"`
	DryRun        bool            `cbor:"11,keyasint,omitempty"`
	Term          uint64          `cbor:"12,keyasint,omitempty"`
}

// reply answers an ask.
type reply struct {
	// All, if set, is the answer to everything that was asked.
	All     *wireAnswer  `cbor:"1,keyasint,omitempty"`
	Answers []wireAnswer `cbor:"2,keyasint,omitempty"`
	Barrier *wireAnswer  `cbor:"3,keyasint,omitempty"`
}

// wire is the codec of asks and replies.
type wire struct {
	commands *model.Wire
	enc      cbor.EncMode
	strict   cbor.DecMode // of asks
	lenient  cbor.DecMode // of replies
}

func newWire() (wire, error) {
	cmds, err := model.NewWire()
	if err != nil {
		return wire{}, err
	}
	enc, err := cbor.EncOptions{}.EncMode()
	if err != nil {
		return wire{}, fmt.Errorf("wire form of requests: %w", err)
	}
	opts := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1 << 20} // more than a message holds
	lenient, err := opts.DecMode()
	if err != nil {
		return wire{}, fmt.Errorf("wire form of answers: %w", err)
	}
	opts.ExtraReturnErrors, opts.DupMapKey = cbor.ExtraDecErrorUnknownField, cbor.DupMapKeyEnforcedAPF
	strict, err := opts.DecMode()
	if err != nil {
		return wire{}, fmt.Errorf("wire form of requests: %w", err)
	}
	return wire{commands: cmds, enc: enc, strict: strict, lenient: lenient}, nil
}

// encode returns the bytes of a request. The error is a rejection of what no
// leader could be sent.
func (w wire) encode(r *commands.Request) ([]byte, error) {
	name, cmd, err := w.commands.Encode(r.Command)
	if err != nil {
		return nil, err
	}
	out := wireRequest{
		Name: name, Command: cmd, Actor: r.Actor, Reason: r.Reason, ChangeTicket: r.ChangeTicket,
		CorrelationID: r.CorrelationID, CausationID: r.CausationID, IfVersion: r.IfVersion, DryRun: r.DryRun,
		Term: uint64(r.Term),
	}
	if !r.Key.IsZero() {
		out.Key = r.Key[:]
	}
	if r.Hash != [len(r.Hash)]byte{} {
		out.Hash = r.Hash[:]
	}
	b, err := w.enc.Marshal(out)
	if err == nil && len(b) > maxRequest {
		err = &commands.Rejected{Kind: commands.Invalid, Reason: "too_large",
			Message: fmt.Sprintf("the command has %d bytes on its way to the control leader", len(b)),
			Allowed: fmt.Sprintf("at most %d bytes; name fewer things at once", maxRequest)}
	}
	return b, err
}

// decode returns the request that bytes stand for. An error says that this
// release does not know all of it.
func (w wire) decode(b []byte) (commands.Request, error) {
	var in wireRequest
	if err := w.strict.Unmarshal(b, &in); err != nil {
		return commands.Request{}, fmt.Errorf("decode a request: %w", err)
	}
	cmd, err := w.commands.Decode(in.Name, in.Command)
	if err != nil {
		return commands.Request{}, err
	}
	r := commands.Request{
		Command: cmd, Actor: in.Actor, Reason: in.Reason, ChangeTicket: in.ChangeTicket,
		CorrelationID: in.CorrelationID, CausationID: in.CausationID, IfVersion: in.IfVersion, DryRun: in.DryRun,
		Term: events.Position(in.Term),
	}
	if !copyWhole(r.Key[:], in.Key) || !copyWhole(r.Hash[:], in.Hash) {
		return commands.Request{}, fmt.Errorf("decode %s: a key of %d and a hash of %d bytes; allowed: none, or %d and %d",
			in.Name, len(in.Key), len(in.Hash), len(r.Key), len(r.Hash))
	}
	return r, nil
}

// copyWhole fills to from from, which is as long or empty.
func copyWhole(to, from []byte) bool {
	return copy(to, from) == len(from) && (len(from) == 0 || len(from) == len(to))
}

// decodeAsk checks the bounds of an ask, too.
func (w wire) decodeAsk(b []byte) (ask, error) {
	var in ask
	if err := w.strict.Unmarshal(b, &in); err != nil {
		return in, fmt.Errorf("decode a batch: %w", err)
	}
	if len(in.Requests) > maxBatch {
		return in, fmt.Errorf("decode a batch: %d requests, at most %d", len(in.Requests), maxBatch)
	}
	return in, nil
}

// wait bounds the time that a batch is worked on.
func (a ask) wait() time.Duration { return bounded(time.Duration(a.Wait)) }

func bounded(d time.Duration) time.Duration { return min(max(d, time.Millisecond), MaxForwardWait) }
