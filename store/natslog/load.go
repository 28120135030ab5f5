package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/store"
)

// Load implements [store.Log]. It asks the leader of the log, never a replica.
// A message that was stored and cannot be read is a *CorruptError.
func (s *Store) Load(ctx context.Context, sequence uint64) (store.Message, error) {
	m, err := s.load(ctx, sequence)
	if err != nil {
		return store.Message{}, fmt.Errorf("natslog: load message %d: %w", sequence, err)
	}
	return m, nil
}

func (s *Store) load(ctx context.Context, sequence uint64) (store.Message, error) {
	if err := s.usable(ctx); err != nil {
		return store.Message{}, err
	}
	if sequence == 0 {
		return store.Message{}, store.ErrNotFound
	}
	if err := s.unread.Verify(sequence, sequence); err != nil {
		return store.Message{}, err
	}
	m, err := s.ask(ctx, sequence)
	if errors.Is(err, store.ErrNotFound) && sequence <= s.tail.last() {
		if s.cfg.clustered() {
			// The replica that leads now has not come that far, or cannot read it.
			return store.Message{}, fmt.Errorf("%w: %w: message %d is stored, and the replica that answers does not find it", store.ErrUnavailable, store.ErrGap, sequence)
		}
		// JetStream says "not found" also of a message that it cannot read.
		return store.Message{}, s.damage(sequence)
	}
	if err != nil {
		if damaged := s.refusedFor(err); damaged != nil {
			return store.Message{}, damaged
		}
		return store.Message{}, err
	}
	s.tail.know(sequence)
	return m, nil
}

func (s *Store) ask(ctx context.Context, sequence uint64) (store.Message, error) {
	raw, err := patiently(ctx, s, func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return s.log.GetMsg(ctx, sequence) })
	if err != nil {
		return store.Message{}, err
	}
	if raw.Sequence != sequence {
		return store.Message{}, fmt.Errorf("%w: the server answered with message %d", store.ErrGap, raw.Sequence)
	}
	return store.Message{Sequence: sequence, Data: raw.Data}, nil
}

// patience is how long a read of a cluster's log is asked for again while nobody
// answers: about as long as the replicas take to elect a leader.
const patience = 2 * time.Second

// patiently asks until there is an answer. A single server is asked once: where it
// does not answer, no other does.
func patiently[T any](ctx context.Context, s *Store, ask func(context.Context) (T, error)) (T, error) {
	over := time.Now().Add(patience)
	for {
		brief, cancel := s.request(ctx)
		answer, err := ask(brief)
		err = because(brief, err)
		cancel()
		if err == nil {
			return answer, nil
		}
		if err = unanswered(translate(err)); !s.cfg.clustered() || !errors.Is(err, store.ErrUnavailable) || time.Now().After(over) || ctx.Err() != nil {
			return answer, err
		}
		if stop := s.pause(ctx, retryLeast); stop != nil {
			return answer, errors.Join(err, stop)
		}
	}
}

// Last implements [store.Log].
func (s *Store) Last(ctx context.Context) (uint64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, fmt.Errorf("natslog: last message: %w", err)
	}
	info, err := patiently(ctx, s, func(ctx context.Context) (*jetstream.StreamInfo, error) { return s.log.Info(ctx) })
	if err != nil {
		return 0, fmt.Errorf("natslog: last message: %w", err)
	}
	s.tail.know(info.State.LastSeq)
	if s.cfg.clustered() { // what others published is counted by nobody here
		s.used.Store(int64(info.State.Bytes))
	}
	return info.State.LastSeq, nil
}

// refusedFor looks for damage when a single server refused a read with another code
// than "not found": it has several for a file that it cannot read.
func (s *Store) refusedFor(err error) error {
	if s.cfg.clustered() || codeOf(err) == 0 {
		return nil
	}
	var damaged *CorruptError
	if errors.As(s.files.Verify(0, s.tail.last()), &damaged) {
		return damaged
	}
	return nil // what the server said is told
}

// damage reads the files to name the place where a stored message is missing.
func (s *Store) damage(sequence uint64) error {
	if err := s.files.Verify(sequence, s.tail.last()); err != nil {
		return err
	}
	return &CorruptError{
		File: s.files.Dir, Offset: -1, Sequence: sequence, Err: ErrCorrupt,
		Problem: "the message was stored and the server does not find it",
	}
}
