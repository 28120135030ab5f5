package jsfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// rig is a log in a directory, written as nats-server writes it.
type rig struct {
	t *testing.T
	Blocks
	storeDir string
	head     events.Head
	frames   [][]byte
	// times of the blocks that are written.
	modified time.Time
}

const stream = "MESH_test_1"

// perBlock is how many messages a full block has.
const perBlock = 5

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	return &rig{t: t, Blocks: Log(dir, stream), storeDir: dir, modified: time.Unix(1e9, 0)}
}

// logged is a log of three blocks, of which the last is not full.
func logged(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.block(1, perBlock)
	r.block(2, perBlock)
	r.block(3, 3)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// frame is the next one of the chain, of two events.
func (r *rig) frame() []byte {
	r.t.Helper()
	id := make([]byte, 16)
	id[0] = 7
	f := &eventsv1.Frame{LogId: id, Era: 1, First: uint64(r.head.Position) + 1, Time: 1}
	if r.head.Position > 0 {
		f.PrevHash = r.head.Hash[:]
	}
	f.Decisions = []*eventsv1.Decision{{Meta: &eventsv1.Meta{Actor: fmt.Sprintf("%050d", len(r.frames))}, Events: []*eventsv1.Event{{}, {}}}}
	data, err := events.Marshal(f)
	r.must(err)
	r.head, err = events.HeadOf(data)
	r.must(err)
	r.frames = append(r.frames, data)
	return data
}

// block appends messages to a block.
func (r *rig) block(index uint32, messages int) {
	r.t.Helper()
	for range messages {
		data := r.frame()
		r.append(index, recordOf(r.t, r.Stream, index, uint64(len(r.frames)), data))
	}
}

// append adds to a block.
func (r *rig) append(index uint32, data []byte) {
	r.t.Helper()
	before, err := os.ReadFile(r.Path(index))
	if !errors.Is(err, fs.ErrNotExist) {
		r.must(err)
	}
	r.replace(r.Path(index), append(before, data...))
}

// flip changes a byte; a negative offset is from the end. The file's time stays, as
// on a failing disk.
func (r *rig) flip(path string, at int) {
	r.t.Helper()
	b, err := os.ReadFile(path)
	r.must(err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0x40
	r.replace(path, b)
}

func (r *rig) cut(path string, by int) {
	r.t.Helper()
	b, err := os.ReadFile(path)
	r.must(err)
	r.replace(path, b[:len(b)-by])
}

func (r *rig) replace(path string, b []byte) {
	r.t.Helper()
	r.must(errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, b, 0o600), os.Chtimes(path, r.modified, r.modified)))
}

// stop is what a clean stop notes now.
func (r *rig) stop() *Stop {
	r.t.Helper()
	blocks, err := r.List()
	r.must(err)
	return &Stop{Stream: stream, Last: uint64(len(r.frames)), Blocks: blocks}
}

// recordOf writes a record with a header, as one of the log has.
func recordOf(t testing.TB, stream string, block uint32, sequence uint64, payload []byte) []byte {
	t.Helper()
	const subject, header = "mesh.test.log.1", "NATS/1.0\r\n\r\n"
	length := RecordBytes(subject, len(header), len(payload))
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(length)|headersBit)
	b = le.AppendUint64(b, sequence)
	b = le.AppendUint64(b, 1)
	b = le.AppendUint16(b, uint16(len(subject)))
	b = append(b, subject...)
	b = le.AppendUint32(b, uint32(len(header)))
	b = append(append(b, header...), payload...)
	h, err := keyed(fmt.Sprintf("%s-%d", stream, block))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = h.Write(b[4:20])
	_, _ = h.Write([]byte(subject))
	_, _ = h.Write([]byte(header))
	_, _ = h.Write(payload)
	return h.Sum(b)
}

// wantDamage wants an error that names a message and, if the frame before is whole,
// its position: every frame has two events.
func wantDamage(t *testing.T, err, kind error, path string, sequence uint64) *CorruptError {
	t.Helper()
	var damaged *CorruptError
	if !errors.As(err, &damaged) || !errors.Is(err, kind) {
		t.Fatalf("%v; want a CorruptError that is %v", err, kind)
	}
	position := events.Position(0)
	if sequence > 0 {
		position = events.Position(2*sequence - 1)
	}
	if damaged.File != path || damaged.Sequence != sequence || damaged.Position != position {
		t.Errorf("%v; want message %d, position %d, in %s", err, sequence, position, path)
	}
	return damaged
}
