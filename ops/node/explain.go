package node

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// Explain returns the fields of the last log line for an error of [Run]: a code
// that a person or an alert can look up, and the place of a damage.
func Explain(err error) []any {
	var fields []any
	if code := codeOf(err); code != "" {
		fields = append(fields, "code", code)
	}
	var damage *natslog.CorruptError
	if errors.As(err, &damage) {
		fields = append(fields, "file", damage.File)
		if damage.Sequence != 0 {
			fields = append(fields, "message", damage.Sequence)
		}
		if damage.Offset >= 0 {
			fields = append(fields, "offset", damage.Offset)
		}
		if damage.Position != 0 {
			fields = append(fields, "position", uint64(damage.Position))
		}
	}
	return append(fields, "error", err)
}

// codeOf names the failures that have a runbook.
func codeOf(err error) string {
	var chain *events.ChainError
	switch {
	case errors.Is(err, ErrOtherDirectory):
		return "other_directory"
	case errors.Is(err, ErrNotSealed):
		return "log_not_sealed"
	case errors.Is(err, ErrNotSingle):
		return "not_single"
	case errors.Is(err, ErrGrowing):
		return "growth_unfinished"
	case errors.Is(err, ErrGivenUp):
		return "given_up"
	case errors.Is(err, natslog.ErrTwoGrow):
		return "two_grow"
	case errors.Is(err, natslog.ErrNameTaken):
		return "name_taken"
	case errors.Is(err, natslog.ErrOtherKind):
		return "other_kind"
	case errors.Is(err, natslog.ErrNotMember):
		return "not_a_member"
	case errors.Is(err, election.ErrDiverged):
		return "log_diverged"
	case errors.Is(err, store.ErrLocked):
		return "data_locked"
	case errors.Is(err, store.ErrLogMissing):
		return "log_missing"
	case errors.Is(err, store.ErrLogTruncated):
		return "log_truncated"
	case errors.Is(err, natslog.ErrCorrupt), errors.Is(err, store.ErrGap), errors.As(err, &chain):
		return "log_corrupt"
	case errors.Is(err, ErrDiskFull), errors.Is(err, unix.ENOSPC):
		return "disk_full"
	case errors.Is(err, store.ErrLogFull):
		return "log_full"
	case errors.Is(err, ErrUnfinished):
		return "restore_unfinished"
	}
	return ""
}
