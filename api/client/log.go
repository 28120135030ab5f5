package client

import (
	"context"
	"iter"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Log is LogService.
type Log struct {
	c   *Client
	rpc controlv1.LogServiceClient
}

// List reads one page of events; NextFrom of the answer is where the next one
// starts.
func (l *Log) List(ctx context.Context, req *controlv1.ListEventsRequest) (*controlv1.ListEventsResponse, error) {
	return read(ctx, l.c, l.rpc.ListEvents, req)
}

// All ranges over the events from req.From to the head; Limit is the size of
// a page.
func (l *Log) All(ctx context.Context, req *controlv1.ListEventsRequest) iter.Seq2[*controlv1.LogEvent, error] {
	return func(yield func(*controlv1.LogEvent, error) bool) {
		own := proto.CloneOf(req)
		for {
			page, err := l.List(ctx, own)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page.GetEvents() {
				if !yield(e, nil) {
					return
				}
			}
			if page.GetNextFrom() <= own.GetFrom() {
				return
			}
			own.From = page.GetNextFrom()
		}
	}
}

// Get reads one event.
func (l *Log) Get(ctx context.Context, position int64) (*controlv1.LogEvent, error) {
	return read(ctx, l.c, l.rpc.GetEvent, &controlv1.GetEventRequest{Position: position})
}

// Tail ranges over the events after a position, absent meaning the head of
// this moment: to the head with UntilHead, else until ctx ends or the loop
// breaks.
func (l *Log) Tail(ctx context.Context, req *controlv1.TailRequest) iter.Seq2[*controlv1.LogEvent, error] {
	return func(yield func(*controlv1.LogEvent, error) bool) {
		after := req.GetAfter()
		if req.After == nil {
			// "The head" asked for anew after a cut would be a later one, and
			// what lies between would be lost.
			status, err := l.c.System.Status(ctx, &controlv1.GetStatusRequest{})
			if err != nil {
				yield(nil, err)
				return
			}
			after = status.GetPosition()
		}
		for e, err := range l.tail(req).all(ctx, after) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func (l *Log) tail(req *controlv1.TailRequest) *watch[controlv1.LogEvent] {
	return &watch[controlv1.LogEvent]{
		c: l.c,
		open: func(ctx context.Context, resume int64, header headers) (*connect.ServerStreamForClient[controlv1.LogEvent], error) {
			own := proto.CloneOf(req)
			own.After = proto.Int64(resume)
			r := connect.NewRequest(own)
			header(r)
			return l.rpc.Tail(ctx, r)
		},
		look: func(e *controlv1.LogEvent) note {
			// Each event is a point to go on from: a tail has no snapshot.
			return note{resume: e.GetPosition(), change: strconv.FormatInt(e.GetPosition(), 10)}
		},
		toEnd: req.GetUntilHead(),
	}
}

// Verify walks the log of the server that answers, and its hash chain. It may
// take long: give ctx a deadline that fits.
func (l *Log) Verify(ctx context.Context, from int64) (*controlv1.VerifyResponse, error) {
	ctx, cancel := l.c.deadline(ctx)
	defer cancel()
	// One attempt for the whole time: a second one would start from the
	// beginning.
	a := &attempt{endpoint: l.c.endpoints.pick()}
	req := connect.NewRequest(&controlv1.VerifyRequest{From: from})
	l.c.setHeader(req.Header())
	res, err := l.rpc.Verify(withAttempt(ctx, a), req)
	if err == nil {
		l.c.seen.note(res.Header())
		return res.Msg, nil
	}
	if judge(ctx, a, err) == final {
		return nil, asError(err)
	}
	l.c.endpoints.failed(a.endpoint)
	return nil, l.c.gaveUp(ctx, asError(err), nil)
}
