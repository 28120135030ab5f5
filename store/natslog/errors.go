package natslog

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// CorruptError names the place at which a log is damaged.
type CorruptError = jsfile.CorruptError

// ErrCorrupt: stored bytes are not what was stored. Always inside a
// [*CorruptError].
var ErrCorrupt = jsfile.ErrCorrupt //nolint:gochecknoglobals // a sentinel, under the name that callers of this package know

// ErrNoAck: no answer came to a publish. It says nothing about the outcome.
var ErrNoAck = errors.New("no acknowledgement from the log")

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
