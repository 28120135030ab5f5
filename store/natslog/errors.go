package natslog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// ErrCorrupt: stored bytes are not what was stored. Always inside a
// [*CorruptError].
var ErrCorrupt = errors.New("log_corrupt: stored bytes are damaged")

// ErrNoAck: no answer came to a publish. It says nothing about the outcome.
var ErrNoAck = errors.New("no acknowledgement from the log")

// CorruptError names the place at which a log is damaged. It wraps
// [ErrCorrupt] or store.ErrLogTruncated. No message was repaired or removed by us.
type CorruptError struct {
	// File holds the damage; a directory when no single file does.
	File string
	// Offset of the damaged record in File, -1 when not known.
	Offset int64
	// Sequence of the first message that cannot be served; 0 when the damage is to
	// no message.
	Sequence uint64
	// Position of its first event; 0 when the frame before does not say.
	Position events.Position
	// Problem says what was found.
	Problem string
	// Opened: JetStream had the files open, and may have written them.
	Opened bool
	// Err is ErrCorrupt or store.ErrLogTruncated.
	Err error
}

func (e *CorruptError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v:", e.Err)
	if e.Sequence != 0 {
		fmt.Fprintf(&b, " message %d", e.Sequence)
	}
	if e.Position != 0 {
		fmt.Fprintf(&b, " (position %d)", e.Position)
	}
	fmt.Fprintf(&b, " in %s", e.File)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at byte %d", e.Offset)
	}
	fmt.Fprintf(&b, ": %s", e.Problem)
	if !e.Opened {
		b.WriteString("; no message file was changed")
	}
	return b.String()
}

// Unwrap lets errors.Is see the kind of damage.
func (e *CorruptError) Unwrap() error { return e.Err }

// JetStream error codes that jetstream does not name.
const (
	codeInsufficientResources jetstream.ErrorCode = 10023
	codeNotMember             jetstream.ErrorCode = 10044
	codeChangeInflight        jetstream.ErrorCode = 10202
	codeStorageExceeded       jetstream.ErrorCode = 10047
	codeStoreFailed           jetstream.ErrorCode = 10077
)

// codeOf returns the JetStream code of an error, 0 when it has none.
func codeOf(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

// translate gives a JetStream error the meaning that package store knows. It
// goes by code. codeStoreFailed is left to the caller: it can mean that the log
// is full, or that the disk failed.
func translate(err error) error {
	switch codeOf(err) {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return fmt.Errorf("%w: %w", store.ErrWrongSequence, err)
	case codeInsufficientResources, codeStorageExceeded:
		return fmt.Errorf("%w: %w", store.ErrLogFull, err)
	case jetstream.JSErrCodeMessageNotFound:
		return fmt.Errorf("%w: %w", store.ErrNotFound, err)
	case jetstream.JSErrCodeStreamNotFound:
		return fmt.Errorf("%w: %w", store.ErrLogMissing, err)
	}
	return err
}

// unanswered marks an error of a read that another try may not have: silence, and
// the codes of a JetStream that has no leader at the moment.
func unanswered(err error) error {
	for _, definite := range []error{store.ErrNotFound, store.ErrLogMissing, store.ErrClosed} {
		if errors.Is(err, definite) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
