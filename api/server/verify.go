package server

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// maxVerifying bounds the walks at a time: each reads the whole log.
const maxVerifying = 2

// verify walks the chain on this server (T1, T5). What is wrong with the log is
// the answer, not an error of the call.
func (s *Server) verify(ctx context.Context, q *controlv1.VerifyRequest) (*controlv1.VerifyResponse, error) {
	select {
	case s.verifying <- struct{}{}:
		defer func() { <-s.verifying }()
	default:
		return nil, tooMany("verify_busy", "%d walks over the log are under way, which is the limit", maxVerifying)
	}
	at, err := s.verifyFrom(ctx, events.Position(q.From))
	if err != nil {
		return nil, err
	}
	last, err := s.deps.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	answer := &controlv1.VerifyResponse{}
	err = s.walk(ctx, &at, last, answer)
	answer.Position, answer.HeadHash = int64(at.Position), at.Hash.String()
	callOf(ctx).answered(at.Position)
	var chain *events.ChainError
	switch {
	case err == nil:
		answer.Ok = true
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &chain):
		answer.Problem, answer.ProblemPosition = err.Error(), int64(chain.Position)
	default: // what the store cannot give is as wrong as what it gives wrongly
		answer.Problem, answer.ProblemPosition = err.Error(), int64(at.Position)+1
	}
	return answer, nil
}

// walk verifies message after message as far as a sequence.
func (s *Server) walk(ctx context.Context, at *store.Mark, last uint64, answer *controlv1.VerifyResponse) error {
	if at.Sequence >= last {
		return nil
	}
	err := s.deps.Log.Follow(ctx, at.Sequence+1, func(msg store.Message) error {
		frame, next, err := at.Verify(msg)
		if err != nil {
			return err
		}
		*at = next
		answer.Frames++
		answer.Events += int64(events.CountEvents(frame))
		if at.Sequence >= last {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// verifyFrom is where a walk starts: before the message that holds a position.
// The message before that one is taken as it is; all after it must follow.
func (s *Server) verifyFrom(ctx context.Context, from events.Position) (store.Mark, error) {
	if from <= 1 {
		return store.Mark{}, nil
	}
	if err := s.reach(ctx, "from", from); err != nil {
		return store.Mark{}, err
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return store.Mark{}, err
	}
	defer v.Release()
	d, err := v.Decision(from)
	if err != nil || d.Sequence <= 1 {
		return store.Mark{}, err
	}
	msg, err := s.deps.Log.Load(ctx, d.Sequence-1)
	if err != nil {
		return store.Mark{}, err
	}
	return markOf(msg)
}

func markOf(msg store.Message) (store.Mark, error) {
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(msg.Data, f); err != nil {
		return store.Mark{}, fmt.Errorf("message %d does not decode: %w", msg.Sequence, err)
	}
	id, err := events.ParseLogID(f.LogId)
	if err != nil {
		return store.Mark{}, fmt.Errorf("message %d: %w", msg.Sequence, err)
	}
	return store.Mark{Sequence: msg.Sequence, Head: events.Head{
		LogID: id, Era: f.Era, Hash: events.HashOf(msg.Data), Time: f.Time,
		Position: events.Position(f.First) + events.Position(events.CountEvents(f)) - 1,
	}}, nil
}
