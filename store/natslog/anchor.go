package natslog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// The anchor file has two slots, written in turn, each in a page of its own, so
// that a write that is cut off spoils at most the newer one. A slot, big endian:
//
//	magic 8 | turn 8 | log id 16 | era 8 | position 8 | sequence 8 | hash 32 | time 8 | CRC-32C 4
const (
	anchorMagic  = "ORanchr1"
	anchorSlot   = 4096
	anchorSum    = 96 // bytes under the checksum, which follows
	anchorLength = anchorSum + 4
)

// anchor is the verified end of the log, kept beside it.
type anchor struct {
	path string

	mu    sync.Mutex
	file  *os.File // nil until the first mark
	turn  uint64
	mark  store.Mark
	dirty bool
}

func anchorPath(dir string) string { return filepath.Join(dir, "anchor") }

// ReadAnchor returns the anchor of a store's directory, and whether there is
// one. It may be called while nobody or somebody has the store open.
func ReadAnchor(dir string) (store.Mark, bool, error) {
	mark, turn, err := readAnchor(anchorPath(dir))
	return mark, turn > 0, err
}

// readAnchor returns turn 0 when there is no file. A file without a whole slot
// is damage: it is made whole, under its name, with the first mark.
func readAnchor(path string) (mark store.Mark, turn uint64, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark, 0, nil
	}
	if err != nil {
		return mark, 0, fmt.Errorf("natslog: read anchor: %w", err)
	}
	for at := 0; at+anchorLength <= len(b); at += anchorSlot {
		if m, t, ok := decodeAnchor(b[at : at+anchorLength]); ok && t > turn {
			mark, turn = m, t
		}
	}
	if turn == 0 {
		return mark, 0, &CorruptError{File: path, Offset: 0, Problem: "the anchor has no whole slot", Err: ErrCorrupt}
	}
	return mark, turn, nil
}

func openAnchor(dir string) (*anchor, error) {
	a := &anchor{path: anchorPath(dir)}
	var err error
	if a.mark, a.turn, err = readAnchor(a.path); err != nil || a.turn == 0 {
		return a, err
	}
	if a.file, err = os.OpenFile(a.path, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("natslog: open anchor: %w", err)
	}
	return a, nil
}

// set writes a mark that is not behind the last one, without waiting for the
// disk; only the first waits, which makes the file.
func (a *anchor) set(m store.Mark) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.turn > 0 && m.Sequence <= a.mark.Sequence {
		return nil
	}
	if a.file == nil {
		if err := a.create(m); err != nil {
			return fmt.Errorf("natslog: write anchor: %w", err)
		}
		a.turn, a.mark = 1, m
		return nil
	}
	// pwrite to the page cache is not waiting for the disk, so the lock may be held.
	at := int64((a.turn+1)%2) * anchorSlot
	if _, err := a.file.WriteAt(encodeAnchor(m, a.turn+1), at); err != nil {
		return fmt.Errorf("natslog: write anchor: %w", err)
	}
	a.turn, a.mark, a.dirty = a.turn+1, m, true
	return nil
}

// create makes the file with its first slot, whole and durable.
func (a *anchor) create(m store.Mark) error {
	b := make([]byte, 2*anchorSlot)
	copy(b[anchorSlot:], encodeAnchor(m, 1))
	if err := writeFile(a.path, b); err != nil {
		return err
	}
	f, err := os.OpenFile(a.path, os.O_RDWR, 0)
	a.file = f
	return err
}

// sync makes the last mark durable if it is not.
func (a *anchor) sync() error {
	a.mu.Lock()
	file, dirty := a.file, a.dirty
	a.dirty = false
	a.mu.Unlock()
	if !dirty {
		return nil
	}
	if err := file.Sync(); err != nil {
		a.mu.Lock()
		a.dirty = true
		a.mu.Unlock()
		return fmt.Errorf("natslog: sync anchor: %w", err)
	}
	return nil
}

func (a *anchor) close() error {
	err := a.sync()
	if a.file != nil {
		err = errors.Join(err, a.file.Close())
	}
	return err
}

func (a *anchor) get() (store.Mark, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mark, a.turn > 0
}

func encodeAnchor(m store.Mark, turn uint64) []byte {
	b := make([]byte, 0, anchorLength)
	b = append(b, anchorMagic...)
	b = binary.BigEndian.AppendUint64(b, turn)
	b = append(b, m.LogID[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Era)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Position))
	b = binary.BigEndian.AppendUint64(b, m.Sequence)
	b = append(b, m.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time))
	return binary.BigEndian.AppendUint32(b, anchorCRC(b))
}

func decodeAnchor(b []byte) (m store.Mark, turn uint64, ok bool) {
	if string(b[:8]) != anchorMagic || binary.BigEndian.Uint32(b[anchorSum:]) != anchorCRC(b[:anchorSum]) {
		return m, 0, false
	}
	turn = binary.BigEndian.Uint64(b[8:])
	copy(m.LogID[:], b[16:])
	m.Era = binary.BigEndian.Uint64(b[32:])
	m.Position = events.Position(binary.BigEndian.Uint64(b[40:]))
	m.Sequence = binary.BigEndian.Uint64(b[48:])
	copy(m.Hash[:], b[56:])
	m.Time = int64(binary.BigEndian.Uint64(b[88:]))
	return m, turn, true
}

func anchorCRC(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
