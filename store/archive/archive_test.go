package archive_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
)

var filling = flag.Bool("fill", false, "write the goldens that are missing")

// TestGolden: what this format's first release wrote is read for ever, and this
// release writes the same bytes.
func TestGolden(t *testing.T) {
	l := sample(t)
	written, summary := l.archived()
	path := filepath.Join("testdata", "format-1.archive")
	golden, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *filling {
		golden, err = written, os.WriteFile(path, written, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(golden, written) {
		t.Errorf("%d bytes are written, the golden has %d others", len(written), len(golden))
	}
	frames := 0
	read, err := archive.Verify(bytes.NewReader(golden), func(store.Mark, *eventsv1.Frame) { frames++ })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(summary, read); diff != "" || frames != 5 {
		t.Errorf("%d frames; (-written +read):\n%s", frames, diff)
	}
	if read.Mark != l.mark || read.Bytes != int64(len(golden)) || read.Sum != sha256.Sum256(golden) {
		t.Errorf("it says %+v of %d bytes; the log ends at %+v", read, len(golden), l.mark)
	}
}

// TestRoundTrip: every message comes back as it was.
func TestRoundTrip(t *testing.T) {
	l := sample(t)
	b, _ := l.archived()
	r, err := archive.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range messages(t, l.log) {
		got, frame, err := r.Next()
		if err != nil || frame == nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-stored +read):\n%s", diff)
		}
	}
}

// TestCut: an archive that is cut anywhere says so, and where.
func TestCut(t *testing.T) {
	b, _ := sample(t).archived()
	for n := range b {
		_, err := archive.Verify(bytes.NewReader(b[:n]), nil)
		var f *archive.Fault
		if !errors.As(err, &f) || !errors.Is(err, archive.ErrCut) || f.Offset > int64(n) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(b), err)
		}
	}
}

// TestEveryBitCounts: one bit changed anywhere is found.
func TestEveryBitCounts(t *testing.T) {
	b, _ := sample(t).archived()
	for at := range b {
		changed := bytes.Clone(b)
		changed[at] ^= 1 << (at % 8)
		_, err := archive.Verify(bytes.NewReader(changed), nil)
		var f *archive.Fault
		if !errors.As(err, &f) || f.Offset > int64(at) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
	_, err := archive.Verify(bytes.NewReader(append(bytes.Clone(b), 0)), nil)
	wantFault(t, err, archive.ErrDamaged, "bytes follow the end")
}

func wantFault(t *testing.T, err, kind error, problem string) {
	t.Helper()
	var f *archive.Fault
	if !errors.As(err, &f) || !errors.Is(err, kind) || !strings.Contains(f.Problem, problem) {
		t.Errorf("error is %v, want %v with %q", err, kind, problem)
	}
}

// TestFaults: what checksums cannot find.
func TestFaults(t *testing.T) {
	b, _ := sample(t).archived()
	for name, c := range map[string]struct {
		change  func([]byte) []byte
		kind    error
		problem string
	}{
		"another file":    {func([]byte) []byte { return []byte("a text of someone, not an archive") }, archive.ErrFormat, "does not begin with"},
		"a newer release": {func(b []byte) []byte { b[9] = 2; return b }, archive.ErrFormat, "format 2"},
		"a frame missing": {func(b []byte) []byte {
			first, second := frameAt(b, 1), frameAt(b, 2)
			return append(b[:first:first], b[second:]...)
		}, archive.ErrDamaged, "first frame names a frame before it"},
		"the last frame missing": {func(b []byte) []byte {
			last, end := frameAt(b, 5), frameAt(b, 6)
			return append(b[:last:last], b[end:]...)
		}, archive.ErrDamaged, "the trailer does not say"},
		"a length beyond all": {func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[frameAt(b, 2)+1:], 1<<31)
			return b
		}, archive.ErrDamaged, "allowed: at most 524288"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := archive.Verify(bytes.NewReader(c.change(bytes.Clone(b))), nil)
			wantFault(t, err, c.kind, c.problem)
		})
	}
}

// frameAt is the offset of a frame's record, from 1; after the last it is the
// trailer's.
func frameAt(b []byte, frame int) int {
	at := 12 + int(binary.BigEndian.Uint16(b[10:]))
	for range frame - 1 {
		at += 5 + int(binary.BigEndian.Uint32(b[at+1:])) + 4
	}
	return at
}

// TestFaultNamesThePlace: frame, position and offset.
func TestFaultNamesThePlace(t *testing.T) {
	b, _ := sample(t).archived()
	at := frameAt(b, 4)
	b[at+20] ^= 1
	_, err := archive.Verify(bytes.NewReader(b), nil)
	var f *archive.Fault
	if !errors.As(err, &f) || f.Frame != 4 || f.Position != 5 || f.Offset != int64(at) {
		t.Errorf("the fault is %+v, want frame 4, position 5, offset %d", f, at)
	}
}

// TestWriterRefuses: an archive that would be none is not ended.
func TestWriterRefuses(t *testing.T) {
	l := sample(t)
	if _, err := archive.NewWriter(&bytes.Buffer{}, archive.Header{Cluster: "c1"}); err == nil {
		t.Error("an empty log is archived")
	}
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, l.header())
	if err != nil {
		t.Fatal(err)
	}
	all := messages(t, l.log)
	if err := w.Append(all[1]); !errors.Is(err, store.ErrGap) {
		t.Errorf("message 2 comes first: %v", err)
	}
	if err := w.Append(all[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err == nil {
		t.Error("an archive ends before its head")
	}
}

// FuzzReader: no bytes make the reader panic or hold more than a frame, and what
// it accepts is an archive to the last byte: writing it again gives the same.
func FuzzReader(f *testing.F) {
	b, _ := sample(f).archived()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(b[:frameAt(b, 1)])
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := archive.NewReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := archive.NewWriter(&again, r.Header())
		if err != nil {
			t.Fatalf("a header that was read cannot be written: %v", err)
		}
		for {
			m, _, err := r.Next()
			if err != nil {
				break
			}
			if err := w.Append(m); err != nil {
				t.Fatalf("a message that was read cannot be written: %v", err)
			}
		}
		if r.Summary().Bytes == 0 {
			return
		}
		if _, err := w.Close(); err != nil || !bytes.Equal(again.Bytes(), data) {
			t.Fatalf("accepted, and written again it differs: %v", err)
		}
	})
}
