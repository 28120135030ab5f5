package member

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// FenceJournal is an append-only file of records in a directory that the owners
// of one scope share, one after the other: what a shard keeps on disk, guarded by
// fences without a process that would guard it. It promises:
//
//  1. A record whose Append returned nil is read by every later owner, in order,
//     whatever process died or slept at whatever moment.
//  2. Once an owner has opened the journal with a higher fence, no Append of a
//     lower one returns nil (L3): it is a *StaleFenceError.
//  3. A record whose Append returned another error may be read or not.
//  4. Damage is an error at open, and never a shorter journal, but for the last
//     record: one that is not whole is taken for one that was being written when its
//     writer ended, and cut off.
//
// Each fence has a file of its own. To open with fence g is to make the file of g
// and only then to read how far the file before it goes; the length is written
// down in g's first record, and what comes behind it does not count. To append is
// to write, to sync, and only then to look for a file of a higher fence. So either
// the writer sees g's file and says stale, or g's owner sees the record: no lock is
// needed, and an owner that sleeps holds up nobody.
//
// The file system must show a new name and synced bytes to all owners at once: a
// local one does, NFS with attribute caching does not.
type FenceJournal struct {
	dir   string
	token FencingToken

	mu   sync.Mutex
	file *os.File // nil after Close
	size int64
	err  error // an append failed: what the file ends with is not known
}

// MaxJournalRecord bounds a record, in bytes.
const MaxJournalRecord = 16 << 20

// ErrJournalDamaged: the files are not as they were written.
var ErrJournalDamaged = errors.New("member: the journal is damaged")

// JournalRecord is one record as it is read back.
type JournalRecord struct {
	// Checkpoint: Data stands for all records before it.
	Checkpoint bool
	// Data may be kept, and not changed.
	Data []byte
}

// OpenFenceJournal opens the journal in an existing directory for the holder of a
// fence, and calls replay with what it holds: after a checkpoint, from the last
// one on. An error of replay is returned. A lower fence than one that the journal
// was opened with before is a [*StaleFenceError]; [ErrLocked] is another open
// journal of the same fence.
func OpenFenceJournal(dir string, t FencingToken, replay func(JournalRecord) error) (*FenceJournal, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	j := &FenceJournal{dir: dir, token: t}
	if err := j.current(); err != nil {
		return nil, err
	}
	file, err := lockFile(journalPath(dir, t.Fence), fmt.Sprintf("the journal of %s (allowed: one owner per fence)", t))
	if err != nil {
		return nil, err
	}
	j.file = file
	if err := j.begin(replay); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// begin claims the fence, finds what the journal holds, and reads it.
func (j *FenceJournal) begin(replay func(JournalRecord) error) error {
	if err := syncDir(j.dir); err != nil {
		return fmt.Errorf("member: journal of %s: %w", j.token, err)
	}
	if err := j.current(); err != nil { // one came between the first look and the claim
		return err
	}
	own, err := scanJournal(j.dir, j.token.Fence, -1)
	if err != nil {
		return err
	}
	if own.head == nil {
		if err := j.writeHead(); err != nil {
			return err
		}
	} else if err := j.cut(own.size); err != nil {
		return err
	}
	if err := replayJournal(j.dir, j.token.Fence, j.size, replay); err != nil {
		return errors.Join(j.current(), err) // a newer owner's checkpoint may have removed what was read
	}
	return j.current()
}

// writeHead writes down where the file before ends. Nobody of a lower fence is
// told of a record behind that any more: this file exists.
func (j *FenceJournal) writeHead() error {
	before, err := lastJournal(j.dir, j.token.Fence)
	if err != nil {
		return err
	}
	if err := j.cut(0); err != nil {
		return err
	}
	return j.write(journalHeadRecord, before.encode())
}

// cut drops what a writer left behind that ended in the middle.
func (j *FenceJournal) cut(size int64) error {
	if err := j.file.Truncate(size); err != nil {
		return fmt.Errorf("member: journal of %s: %w", j.token, err)
	}
	j.size = size
	return nil
}

// Append makes a record durable. After an error the journal takes no more: close
// it, and open it again with the same fence if that is still held.
func (j *FenceJournal) Append(data []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.append(journalDataRecord, data)
}

// Checkpoint makes a record durable that stands for all before it, and removes
// the files of lower fences. An error may leave the record behind, never a part.
func (j *FenceJournal) Checkpoint(state []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(journalCheckpointRecord, state); err != nil {
		return err
	}
	// Whoever opens from now on finds this file, and needs none below it.
	fences, err := journalFences(j.dir)
	if err != nil {
		return err
	}
	for _, f := range fences {
		if f < j.token.Fence {
			if err := os.Remove(journalPath(j.dir, f)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("member: journal of %s: %w", j.token, err)
			}
		}
	}
	return nil
}

func (j *FenceJournal) append(kind byte, data []byte) error {
	switch {
	case j.file == nil:
		return fmt.Errorf("member: journal of %s: %w", j.token, os.ErrClosed)
	case j.err != nil:
		return j.err
	case len(data) > MaxJournalRecord:
		return fmt.Errorf("member: journal of %s: a record of %d bytes (allowed: at most %d)", j.token, len(data), MaxJournalRecord)
	}
	err := j.write(kind, data)
	if err == nil {
		err = j.current()
	}
	j.err = err
	return err
}

func (j *FenceJournal) write(kind byte, data []byte) error {
	record := encodeJournal(kind, data)
	_, err := j.file.WriteAt(record, j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("member: journal of %s: %w", j.token, err)
	}
	j.size += int64(len(record))
	return nil
}

// current is nil while no higher fence has claimed the journal.
func (j *FenceJournal) current() error {
	fences, err := journalFences(j.dir)
	if err != nil {
		return err
	}
	if n := len(fences); n > 0 && fences[n-1] > j.token.Fence {
		return &StaleFenceError{Scope: j.token.Scope, Fence: j.token.Fence, Highest: fences[n-1]}
	}
	return nil
}

// Close lets the journal go. What was appended is there already.
func (j *FenceJournal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	file := j.file
	j.file = nil
	if file == nil {
		return nil
	}
	return file.Close()
}
