package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/commands"
)

// RelayWithin bounds the wait for the leader's answer to a heartbeat: a node asks
// again, elsewhere, a quarter of its time to live later.
const RelayWithin = 2 * time.Second

// Relay takes heartbeats on every server: the leader's keeper answers them. The
// node's lease counts from when it sent the heartbeat, so that the way between the
// servers costs it time, and never the guarantee.
type Relay struct {
	*Keeper
	// Leading reports whether this server leads; Leader is who does, as far as is
	// known.
	Leading func() bool
	Leader  func() (server string, known bool)
	// Ask sends a request to a server and returns what its Serve answered.
	Ask func(ctx context.Context, server string, request []byte) ([]byte, error)
}

// relayed is a heartbeat's answer on the wire between servers. The numbers of the
// causes are for ever.
type relayed struct {
	TTL      time.Duration      `cbor:"1,keyasint"`
	WantFull bool               `cbor:"2,keyasint"`
	Cause    int                `cbor:"3,keyasint"`
	Rejected *commands.Rejected `cbor:"4,keyasint,omitempty"`
	Detail   string             `cbor:"5,keyasint,omitempty"`
}

const (
	causeNone = iota
	causeRejected
	causeNoAuthority
	causeExpiring
)

// Beat answers a heartbeat, or has the leader answer it. An error that is no
// rejection means that another server, or a later try, may answer.
func (r *Relay) Beat(ctx context.Context, hb Heartbeat) (Answer, error) {
	if r.Leading() {
		return r.Keeper.Beat(ctx, hb)
	}
	leader, known := r.Leader()
	if !known {
		return Answer{}, ErrNoAuthority
	}
	request, err := hb.Encode()
	if err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, RelayWithin)
	defer cancel()
	data, err := r.Ask(ctx, leader, request)
	return Relayed(leader, data, err)
}

// Encode is the form in which a server relays a heartbeat.
func (hb Heartbeat) Encode() ([]byte, error) {
	data, err := cbor.Marshal(hb)
	if err != nil {
		return nil, fmt.Errorf("encode heartbeat: %w", err)
	}
	return data, nil
}

// Relayed is what a node is told when its heartbeat was relayed to a leader and
// its Serve answered, or an error came in its place.
func Relayed(leader string, data []byte, err error) (Answer, error) {
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNoAuthority, err)
	}
	var a relayed
	if err := cbor.Unmarshal(data, &a); err != nil {
		return Answer{}, fmt.Errorf("%w: the answer of %s is unreadable: %w", ErrNoAuthority, leader, err)
	}
	return a.answer()
}

// Serve answers a heartbeat that another server relays.
func (r *Relay) Serve(ctx context.Context, request []byte) []byte {
	var hb Heartbeat
	var a Answer
	err := cbor.Unmarshal(request, &hb)
	if err == nil {
		a, err = r.Keeper.Beat(ctx, hb)
	}
	data, err := cbor.Marshal(relay(a, err))
	if err != nil { // numbers and texts
		panic("sessions: encode an answer: " + err.Error())
	}
	return data
}

func relay(a Answer, err error) relayed {
	out := relayed{TTL: a.TTL, WantFull: a.WantFull}
	switch {
	case err == nil:
	case errors.As(err, &out.Rejected):
		out.Cause = causeRejected
	case errors.Is(err, ErrExpiring):
		out.Cause = causeExpiring
	default:
		out.Cause, out.Detail = causeNoAuthority, err.Error()
	}
	return out
}

func (a relayed) answer() (Answer, error) {
	switch {
	case a.Cause == causeNone && a.TTL > 0:
		return Answer{TTL: a.TTL, WantFull: a.WantFull}, nil
	case a.Cause == causeRejected && a.Rejected != nil:
		return Answer{}, a.Rejected
	case a.Cause == causeExpiring:
		return Answer{}, ErrExpiring
	}
	return Answer{}, fmt.Errorf("%w: the leader says: %s", ErrNoAuthority, a.Detail)
}
