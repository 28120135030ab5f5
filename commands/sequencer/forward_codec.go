package sequencer

import (
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/commands"
)

// Codec is what a [Forwarder] and its leader say to each other, one command to a
// message, for who carries messages in steps of its own: the simulator. It is the
// same wire form, and the same reading of what came of it.
type Codec struct{ wire wire }

// NewCodec returns the codec of this release.
func NewCodec() (Codec, error) {
	w, err := newWire()
	return Codec{w}, err
}

// Ask encodes a command that its leader may take so long for. An error is a
// rejection: nothing is to be sent.
func (c Codec) Ask(r *commands.Request, wait time.Duration) ([]byte, error) {
	data, err := c.wire.encode(r)
	if err != nil {
		return nil, err
	}
	return c.wire.enc.Marshal(ask{Wait: int64(wait), Requests: []cbor.RawMessage{data}})
}

// Asked is the leader's reading of a message. An error is its answer, too.
func (c Codec) Asked(data []byte) (r commands.Request, wait time.Duration, err error) {
	in, err := c.wire.decodeAsk(data)
	if err != nil || len(in.Requests) != 1 {
		return r, 0, fmt.Errorf("%w: %d requests: %w", ErrOlderLeader, len(in.Requests), err)
	}
	if r, err = c.wire.decode(in.Requests[0]); err != nil {
		err = fmt.Errorf("%w: %w", ErrOlderLeader, err)
	}
	return r, in.wait(), err
}

// Answer encodes what became of the command.
func (c Codec) Answer(r commands.Receipt, err error) ([]byte, error) {
	out := reply{Answers: []wireAnswer{answerOf(r, err)}}
	fit(out.Answers)
	return c.wire.enc.Marshal(out)
}

// Result is what the caller is told when its command was sent to a leader and a
// message came back, or an error in its place.
func (c Codec) Result(leader string, data []byte, err error) (commands.Receipt, error) {
	if err != nil {
		return commands.Receipt{}, unanswered(leader, err)
	}
	var out reply
	if err := c.wire.lenient.Unmarshal(data, &out); err != nil {
		return commands.Receipt{}, unanswered(leader, fmt.Errorf("decode the answer: %w", err))
	}
	switch {
	case out.All != nil:
		return out.All.result(leader)
	case len(out.Answers) != 1:
		return commands.Receipt{}, unanswered(leader, fmt.Errorf("%d answers to 1 request", len(out.Answers)))
	}
	return out.Answers[0].result(leader)
}

// unanswered is what is known of a command that was sent and not answered.
func unanswered(leader string, err error) error {
	if errors.Is(err, ErrUnreachable) { // nobody received it
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	return fmt.Errorf("%w (%s: %w)", ErrOutcomeUnknown, leader, err)
}
