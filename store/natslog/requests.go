package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// requests publishes and waits for the ack. It keeps its own reply inboxes, each
// owned by one publish at a time and read straight from the connection's reader:
// a goroutine less between ack and caller than the client's shared inbox has.
type requests struct {
	conn *nats.Conn
	free chan *inbox

	mu    sync.Mutex
	alive context.Context // ends when the connection breaks: answers under way are lost
	end   context.CancelFunc
}

// inbox receives the acks of one publish after the other.
type inbox struct {
	prefix string
	acks   chan *nats.Msg
	turn   uint64 // tells a late ack of an earlier publish
}

// inboxes bounds the publishes that are under way; more wait for one to end.
const inboxes = 16

// lateAcks is how many acks may come after their publish has given up, before
// the client drops some; nobody would read those.
const lateAcks = 16

// publication is one message to publish.
type publication struct {
	subject string
	expect  uint64
	data    []byte
	// unconditional leaves the expectation out.
	unconditional bool
}

// ack is the answer to a publish. Its sequence is where the message is stored.
type ack struct {
	Stream    string              `json:"stream"`
	Sequence  uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Error     *jetstream.APIError `json:"error"`
}

func newRequests() *requests {
	r := &requests{free: make(chan *inbox, inboxes)}
	r.alive, r.end = context.WithCancel(context.Background())
	return r
}

// open subscribes the inboxes. The subscriptions survive reconnects.
func (r *requests) open(conn *nats.Conn) error {
	r.conn = conn
	for range inboxes {
		in := &inbox{prefix: nats.NewInbox() + ".", acks: make(chan *nats.Msg, lateAcks)}
		if _, err := conn.ChanSubscribe(in.prefix+"*", in.acks); err != nil {
			return fmt.Errorf("subscribe for acks: %w", err)
		}
		r.free <- in
	}
	return nil
}

// disconnected ends the wait of all requests that are under way.
func (r *requests) disconnected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
	r.alive, r.end = context.WithCancel(context.Background())
}

// connection ends when the connection of the moment breaks.
func (r *requests) connection() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive
}

// within bounds a request by time and by the connection: what was sent on one that
// broke is answered by nobody, and its client waits all the same.
func (r *requests) within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	forget := context.AfterFunc(r.connection(), func() { end(nats.ErrDisconnected) })
	return ctx, func() {
		forget()
		cancel()
		end(nil)
	}
}

// because names a broken connection as what ended a request.
func because(request context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(request), nats.ErrDisconnected) {
		return nats.ErrDisconnected
	}
	return err
}

// publish returns the ack. An error that has a JetStream code is the server's;
// any other leaves the outcome open, and wraps ErrNoAck if the message was sent.
func (r *requests) publish(ctx context.Context, p publication, timeout time.Duration) (ack, error) {
	var in *inbox
	select {
	case in = <-r.free:
		defer func() { r.free <- in }()
	case <-ctx.Done():
		return ack{}, ctx.Err()
	}
	in.turn++
	msg := &nats.Msg{
		Subject: p.subject,
		Reply:   in.prefix + strconv.FormatUint(in.turn, 10),
		Data:    p.data,
	}
	if !p.unconditional {
		msg.Header = nats.Header{jetstream.ExpectedLastSeqHeader: {strconv.FormatUint(p.expect, 10)}}
	}
	gone := r.connection()
	if err := r.conn.PublishMsg(msg); err != nil {
		return ack{}, err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case m := <-in.acks:
			if m != nil && m.Subject == msg.Reply {
				return decodeAck(m)
			}
			if m == nil { // the connection was closed, and the channel with it
				return ack{}, fmt.Errorf("%w: %w", ErrNoAck, nats.ErrConnectionClosed)
			}
		case <-ctx.Done():
			return ack{}, fmt.Errorf("%w: %w", ErrNoAck, ctx.Err())
		case <-gone.Done():
			return ack{}, fmt.Errorf("%w: %w", ErrNoAck, nats.ErrDisconnected)
		case <-timer.C:
			return ack{}, fmt.Errorf("%w within %s", ErrNoAck, timeout)
		}
	}
}

func decodeAck(m *nats.Msg) (ack, error) {
	if len(m.Data) == 0 {
		return ack{}, fmt.Errorf("%w: %w", ErrNoAck, nats.ErrNoResponders)
	}
	var a ack
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return ack{}, fmt.Errorf("%w: unreadable answer: %w", ErrNoAck, err)
	}
	if a.Error != nil {
		return ack{}, a.Error
	}
	if a.Duplicate || a.Sequence == 0 {
		// Only a message with a Nats-Msg-Id can be a duplicate, and we send none.
		return ack{}, errors.Join(ErrNoAck, fmt.Errorf("answer %q", m.Data))
	}
	return a, nil
}
