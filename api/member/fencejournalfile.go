package member

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A file is records, each: length of the data, CRC-32C of the data, kind, CRC-32C of
// these nine bytes, data; numbers are big endian. A length has a sum of its own, or a
// wrong one would look like a record that was being written. The first record is the
// head: where the file before ends.
const (
	journalHeadRecord       byte = 1
	journalDataRecord       byte = 2
	journalCheckpointRecord byte = 3

	journalFrame  = 4 + 4 + 1 + 4
	journalSuffix = ".journal"
)

func journalPath(dir string, fence int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", fence, journalSuffix))
}

// journalFences are the fences that a journal was opened with, ascending.
func journalFences(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("member: journal: %w", err)
	}
	var fences []int64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), journalSuffix)
		if !ok {
			continue
		}
		if fence, err := strconv.ParseInt(name, 10, 64); err == nil && fence > 0 {
			fences = append(fences, fence)
		}
	}
	slices.Sort(fences)
	return fences, nil
}

// journalHead says which file is before one, and how much of it counts. The zero
// head is that of the first file.
type journalHead struct{ fence, size int64 }

func (h journalHead) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(h.fence))
	return binary.BigEndian.AppendUint64(b, uint64(h.size))
}

func encodeJournal(kind byte, data []byte) []byte {
	b := make([]byte, 0, journalFrame+len(data))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(binary.BigEndian.AppendUint32(b, journalSum(data)), kind)
	b = binary.BigEndian.AppendUint32(b, journalSum(b))
	return append(b, data...)
}

func journalSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// journalFile is one file as far as it is whole.
type journalFile struct {
	fence   int64
	head    *journalHead // nil: its owner ended before it was written
	records []JournalRecord
	size    int64
}

// scanJournal reads one file up to a length, or, when that is -1, as far as it is
// whole.
func scanJournal(dir string, fence, upTo int64) (journalFile, error) {
	path := journalPath(dir, fence)
	f := journalFile{fence: fence}
	data, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("member: journal: %w", err)
	}
	if upTo >= 0 {
		if int64(len(data)) < upTo {
			return f, fmt.Errorf("%w: %s has %d bytes, a later file counts %d", ErrJournalDamaged, path, len(data), upTo)
		}
		data = data[:upTo]
	}
	for rest := data; len(rest) > 0; rest = data[f.size:] {
		kind, record, n := decodeJournal(rest)
		if n == 0 {
			if upTo < 0 && tornJournal(rest) {
				return f, nil
			}
			return f, fmt.Errorf("%w: %s at byte %d", ErrJournalDamaged, path, f.size)
		}
		if err := f.take(kind, record); err != nil {
			return f, fmt.Errorf("%w: %s at byte %d: %w", ErrJournalDamaged, path, f.size, err)
		}
		f.size += int64(n)
	}
	return f, nil
}

func (f *journalFile) take(kind byte, data []byte) error {
	if first := f.head == nil; first != (kind == journalHeadRecord) {
		return fmt.Errorf("record of kind %d (allowed: a head, and only at the beginning)", kind)
	}
	switch kind {
	case journalHeadRecord:
		if len(data) != 16 {
			return fmt.Errorf("a head of %d bytes (allowed: 16)", len(data))
		}
		f.head = &journalHead{int64(binary.BigEndian.Uint64(data)), int64(binary.BigEndian.Uint64(data[8:]))}
	case journalCheckpointRecord:
		f.records = append(f.records[:0], JournalRecord{Checkpoint: true, Data: data})
	case journalDataRecord:
		f.records = append(f.records, JournalRecord{Data: data})
	default:
		return fmt.Errorf("record of kind %d (allowed: 1 to 3)", kind)
	}
	return nil
}

// decodeJournal returns the first record and its length in the file, 0 when it is
// not whole.
func decodeJournal(b []byte) (kind byte, data []byte, n int) {
	n, ok := journalLength(b)
	if !ok || n > len(b) || journalSum(b[journalFrame:n]) != binary.BigEndian.Uint32(b[4:]) {
		return 0, nil, 0
	}
	return b[8], b[journalFrame:n], n
}

// journalLength is the length of the first record in the file, if that can be read.
func journalLength(b []byte) (n int, ok bool) {
	if len(b) < journalFrame || journalSum(b[:9]) != binary.BigEndian.Uint32(b[9:]) {
		return 0, false
	}
	return journalFrame + int(binary.BigEndian.Uint32(b)), true
}

// tornJournal reports whether what cannot be read is a last record that was being
// written: nothing is behind where it would end. Where a page was not written some
// file systems leave zeros.
func tornJournal(b []byte) bool {
	if len(b) < journalFrame || len(bytes.Trim(b[:journalFrame], "\x00")) == 0 {
		return true
	}
	n, ok := journalLength(b)
	return ok && n >= len(b)
}

// lastJournal is the newest file below a fence that has a head, as far as it is on
// the disk. One without has been overtaken before it held anything.
func lastJournal(dir string, below int64) (journalHead, error) {
	fences, err := journalFences(dir)
	if err != nil {
		return journalHead{}, err
	}
	for _, fence := range slices.Backward(fences) {
		if fence >= below {
			continue
		}
		f, err := scanJournal(dir, fence, -1)
		if err != nil {
			return journalHead{}, err
		}
		if f.head != nil {
			return journalHead{fence, f.size}, syncJournal(dir, fence)
		}
	}
	return journalHead{}, nil
}

// syncJournal makes durable what was read of a file: its writer may not have come
// to that, and then a crash of the machine would take away what a later file counts.
func syncJournal(dir string, fence int64) error {
	f, err := os.Open(journalPath(dir, fence))
	if err == nil {
		err = firstError(f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("member: journal: %w", err)
	}
	return nil
}

// replayJournal calls fn for all that counts, from the last checkpoint on.
func replayJournal(dir string, fence, size int64, fn func(JournalRecord) error) error {
	var chain [][]JournalRecord
	for at := (journalHead{fence, size}); at != (journalHead{}); {
		f, err := scanJournal(dir, at.fence, at.size)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("%w: %w", ErrJournalDamaged, err)
		case err != nil:
			return err
		case f.head == nil || f.head.fence >= at.fence:
			return fmt.Errorf("%w: %s has no head that names an earlier file", ErrJournalDamaged, journalPath(dir, at.fence))
		}
		chain = append(chain, f.records)
		if len(f.records) > 0 && f.records[0].Checkpoint {
			break
		}
		at = *f.head
	}
	for _, records := range slices.Backward(chain) {
		for _, r := range records {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}
