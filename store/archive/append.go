package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// The pauses between two attempts to store one message, and their number: after
// about half a minute of refusals somebody should know.
const (
	retryLeast = 20 * time.Millisecond
	retryMost  = time.Second
	attempts   = 30
)

// appendMessage stores a message at its sequence, whatever answers get lost on
// the way. Only what can be read there decides; the same bytes are published
// until it can.
func appendMessage(ctx context.Context, to store.Log, m store.Message) error {
	pause := retryLeast
	for try := 1; ; try++ {
		err := to.Publish(ctx, m.Sequence-1, m.Data)
		if err == nil {
			return nil
		}
		there, loadErr := to.Load(ctx, m.Sequence)
		switch {
		case loadErr == nil && bytes.Equal(there.Data, m.Data):
			return nil
		case loadErr == nil:
			return fmt.Errorf("%w: message %d was stored by somebody else", ErrNotPrefix, m.Sequence)
		case final(err) || ctx.Err() != nil || try == attempts:
			return fmt.Errorf("store message %d: %w", m.Sequence, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, retryMost)
	}
}

// final errors do not pass by themselves.
func final(err error) bool {
	return errors.Is(err, store.ErrLogFull) || errors.Is(err, store.ErrClosed) ||
		errors.Is(err, store.ErrLogMissing) || errors.Is(err, events.ErrFrameTooLarge)
}
