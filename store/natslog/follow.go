package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/store"
)

const (
	// tailBatch bounds what a follower takes from the tail at once.
	tailBatch = 64
	// pullMessages and pullBytes bound what the server sends ahead to a follower
	// that is behind.
	pullMessages = 8192
	pullBytes    = 16 << 20
	// stall is how long a follower that is behind waits for the next message
	// before it asks what became of it.
	stall = 2 * time.Second
	// idle lets the server forget the consumer of a follower that is gone.
	idle = 30 * time.Second
	// retryLeast and retryMost bound the pause before a follower reads again after
	// the server went away. It doubles from one to the other.
	retryLeast = 20 * time.Millisecond
	retryMost  = time.Second
)

// follower is one Follow under way.
type follower struct {
	s    *Store
	next uint64 // sequence to deliver next
	fn   func(store.Message) error
}

// Follow implements [store.Log]. It survives restarts of the server. Besides
// ctx's and fn's error it returns store.ErrClosed, store.ErrLogMissing, and a
// *CorruptError when a stored message cannot be read.
func (s *Store) Follow(ctx context.Context, from uint64, fn func(store.Message) error) error {
	f := &follower{s: s, next: max(from, 1), fn: fn}
	pause := retryLeast
	for {
		before := f.next
		halt, retry := f.advance(ctx)
		if halt != nil {
			return halt
		}
		if f.next != before {
			pause = retryLeast
		}
		if retry == nil {
			continue
		}
		s.cfg.logger().Debug("a follower lost the server; it reads again", "next", f.next, "error", retry)
		if err := s.pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, retryMost)
	}
}

// pause returns nil when the time is over, unless ctx ends or the store closes first.
func (s *Store) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return store.ErrClosed
	case <-time.After(d):
		return nil
	}
}

// advance delivers from the tail for as long as it can, waits at the end, and
// reads from the server what is stored but not in the tail. It returns an error
// that ends the Follow, or one after which to try again.
func (f *follower) advance(ctx context.Context) (halt, retry error) {
	batch := make([]store.Message, tailBatch)
	for {
		if err := f.s.usable(ctx); err != nil {
			return err, nil
		}
		n, more := f.s.tail.take(f.next, batch)
		if n == 0 && more == nil {
			return f.catchUp(ctx)
		}
		for _, m := range batch[:n] {
			if err := f.deliver(ctx, m); err != nil {
				return err, nil
			}
		}
		if n > 0 {
			clear(batch[:n]) // or a waiting follower would hold on to the bytes
			continue
		}
		select {
		case <-ctx.Done():
		case <-f.s.closing:
		case <-more:
		}
	}
}

func (f *follower) deliver(ctx context.Context, m store.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Sequence != f.next {
		return fmt.Errorf("natslog: follow: %w: message %d after message %d", store.ErrGap, m.Sequence, f.next-1)
	}
	if err := f.fn(m); err != nil {
		return err
	}
	f.next++
	return nil
}

// catchUp reads from the server up to what is known now. Then the tail goes on:
// what was stored meanwhile is there, or the next round reads it here.
func (f *follower) catchUp(ctx context.Context) (halt, retry error) {
	target := f.s.tail.last()
	if err := f.s.unread.Verify(f.next, target); err != nil {
		return fmt.Errorf("natslog: follow: %w", err), nil
	}
	if f.s.cfg.clustered() && f.next+smallGap > target {
		return f.load(ctx, target)
	}
	messages, stop, err := f.read(ctx)
	if err != nil {
		return f.classify(ctx, err)
	}
	defer stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for f.next <= target {
		msg, err := messages.Next(jetstream.NextMaxWait(stall))
		if err != nil {
			return f.classify(ctx, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, fmt.Errorf("message without metadata: %w", err)
		}
		switch at := meta.Sequence.Stream; {
		case at < f.next:
			continue
		case at > f.next:
			// The client dropped messages, or the server passed over one.
			return f.missing(ctx)
		}
		if err := f.deliver(ctx, store.Message{Sequence: f.next, Data: msg.Data()}); err != nil {
			return err, nil
		}
	}
	return nil, nil
}

// smallGap is how many messages are read one by one: in a cluster a consumer is
// made by consent of all servers, which takes as long as reading so many.
const smallGap = 64

// load reads up to a sequence, one by one.
func (f *follower) load(ctx context.Context, target uint64) (halt, retry error) {
	for f.next <= target {
		m, err := f.s.load(ctx, f.next)
		if err != nil {
			if err := f.s.usable(ctx); err != nil {
				return err, nil
			}
			return nil, err
		}
		if err := f.deliver(ctx, m); err != nil {
			return err, nil
		}
	}
	return nil, nil
}

// read starts a consumer at the next message. stop ends it.
func (f *follower) read(ctx context.Context) (_ jetstream.MessagesContext, stop func(), err error) {
	ctx, cancel := f.s.requests.within(ctx, f.s.cfg.AckTimeout)
	defer cancel()
	consumer, err := f.s.log.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.next,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: idle,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if err != nil {
		return nil, nil, err
	}
	messages, err := consumer.Messages(
		jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		jetstream.PullHeartbeat(time.Second),
	)
	if err != nil {
		return nil, nil, err
	}
	return messages, func() {
		messages.Stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		// If this fails the server forgets it after a while by itself.
		_ = f.s.log.DeleteConsumer(ctx, consumer.CachedInfo().Name)
	}, nil
}

// classify tells an error that ends the Follow from one that passes.
func (f *follower) classify(ctx context.Context, err error) (halt, retry error) {
	if err := f.s.usable(ctx); err != nil {
		return err, nil
	}
	if err = translate(err); errors.Is(err, store.ErrLogMissing) {
		return fmt.Errorf("natslog: follow: %w", err), nil
	}
	// The server may be gone, or sit before a message that it cannot read.
	halt, _ = f.missing(ctx)
	return halt, err
}

// missing asks for the next message by itself: it is there, and reading again
// will deliver it, or it is damaged.
func (f *follower) missing(ctx context.Context) (halt, retry error) {
	_, err := f.s.load(ctx, f.next)
	var damaged *CorruptError
	if errors.As(err, &damaged) {
		return fmt.Errorf("natslog: follow: %w", err), nil
	}
	return nil, fmt.Errorf("message %d was passed over: %w", f.next, store.ErrGap)
}
