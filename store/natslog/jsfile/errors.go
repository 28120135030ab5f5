package jsfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/omnirelay/omnirelay/events"
)

// ErrCorrupt: stored bytes are not what was stored. Always inside a
// [*CorruptError].
var ErrCorrupt = errors.New("log_corrupt: stored bytes are damaged")

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

// damageOf is damage to no message.
func damageOf(path string, offset int64, problem string) *CorruptError {
	return &CorruptError{File: path, Offset: offset, Problem: problem, Err: ErrCorrupt}
}
