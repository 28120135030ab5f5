package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/omnirelay/omnirelay/store"
)

// errCopied ends the follow of a copy that has all.
var errCopied = errors.New("copied")

// Copy makes to hold the same messages as from, up to the last one that from has
// at the call: the same bytes at the same sequences. It verifies the chain of all
// of them and returns its end. What to holds already, of a copy that was
// interrupted, is compared byte for byte, and the rest is added; a target that
// holds anything else is refused with [ErrNotPrefix].
//
// Nobody else may write to the target. A source that is written to meanwhile is
// copied as it was at the call: seal it first, if the copy takes its place.
func Copy(ctx context.Context, from, to store.Log) (store.Mark, error) {
	last, err := from.Last(ctx)
	if err != nil {
		return store.Mark{}, fmt.Errorf("archive: copy: last message of the source: %w", err)
	}
	have, err := to.Last(ctx)
	if err != nil {
		return store.Mark{}, fmt.Errorf("archive: copy: last message of the target: %w", err)
	}
	if have > last {
		return store.Mark{}, fmt.Errorf("archive: copy: %w: it has %d messages, the source %d", ErrNotPrefix, have, last)
	}
	var at store.Mark
	if last == 0 {
		return at, nil
	}
	err = from.Follow(ctx, 1, func(m store.Message) error {
		if _, at, err = at.Verify(m); err != nil {
			return err
		}
		if m.Sequence <= have {
			err = compare(ctx, to, m)
		} else {
			err = appendMessage(ctx, to, m)
		}
		if err == nil && m.Sequence == last {
			err = errCopied
		}
		return err
	})
	if !errors.Is(err, errCopied) {
		return at, fmt.Errorf("archive: copy: %w", err)
	}
	return at, nil
}

// compare wants the target to hold this very message.
func compare(ctx context.Context, to store.Log, m store.Message) error {
	there, err := to.Load(ctx, m.Sequence)
	if err != nil {
		return fmt.Errorf("read message %d of the target: %w", m.Sequence, err)
	}
	if !bytes.Equal(there.Data, m.Data) {
		return fmt.Errorf("%w: message %d differs", ErrNotPrefix, m.Sequence)
	}
	return nil
}
