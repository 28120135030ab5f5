package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// DivergedError says that a directory of rows is not of this log, or ahead of
// it, or damaged.
type DivergedError struct {
	// Mark is where the rows were; zero when the directory could not be read.
	Mark    store.Mark
	Problem string
	// Quarantined is where the directory is now; empty when it was left.
	Quarantined string
	// Cause is the damage, if it was that.
	Cause error
}

func (e *DivergedError) Error() string {
	where := "left where it is"
	if e.Quarantined != "" {
		where = "moved to " + e.Quarantined
	}
	return fmt.Sprintf("the projection at position %d (message %d) contradicts the log: %s; its directory was %s",
		e.Mark.Position, e.Mark.Sequence, e.Problem, where)
}

func (e *DivergedError) Unwrap() error { return e.Cause }

// contradiction compares a mark with the log; it returns "" when the log holds
// exactly that message.
func contradiction(ctx context.Context, log store.Log, m store.Mark) (string, error) {
	if m.Sequence == 0 {
		return "", nil
	}
	last, err := log.Last(ctx)
	if err != nil {
		return "", fmt.Errorf("projections: last message of the log: %w", err)
	}
	if last < m.Sequence {
		return fmt.Sprintf("the log ends at message %d", last), nil
	}
	msg, err := log.Load(ctx, m.Sequence)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Sprintf("the log has no message %d", m.Sequence), nil
	}
	if err != nil {
		return "", fmt.Errorf("projections: load message %d of the log: %w", m.Sequence, err)
	}
	if h := events.HashOf(msg.Data); h != m.Hash {
		return fmt.Sprintf("message %d has hash %s, the rows were built from %s", m.Sequence, h, m.Hash), nil
	}
	return "", nil
}

// quarantine moves a directory beside itself under a name that is free.
func quarantine(fs vfs.FS, dir string, at events.Position) (string, error) {
	for n := 1; n <= maxQuarantined; n++ {
		to := fmt.Sprintf("%s.lost-%d-%d", dir, at, n)
		if _, err := fs.Stat(to); err == nil {
			continue
		}
		if err := fs.Rename(dir, to); err != nil {
			return "", fmt.Errorf("projections: quarantine %s: %w", dir, err)
		}
		return to, nil
	}
	return "", fmt.Errorf("projections: quarantine %s: %d directories %s.lost-%d-* are there already; remove some", dir, maxQuarantined, dir, at)
}

// maxQuarantined bounds the directories that are kept of one position: a loop
// of divergences must not fill the disk.
const maxQuarantined = 8

// diverge handles a directory that the log contradicts: db is closed first.
func diverge(cfg Config, db *kv.DB, lost *DivergedError) error {
	if db != nil {
		if err := db.Close(); err != nil {
			return err
		}
	}
	if cfg.OnDivergence == Refuse {
		return lost
	}
	to, err := quarantine(cfg.fs(), cfg.Dir, lost.Mark.Position)
	if err != nil {
		return errors.Join(lost, err)
	}
	lost.Quarantined = to
	cfg.logger().Error("projection quarantined", "position", uint64(lost.Mark.Position), "problem", lost.Problem, "moved_to", to)
	return nil
}
