package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// Reader reads one archive and verifies it. It has one owner. After an error,
// io.EOF included, it returns the same again.
type Reader struct {
	r      *bufio.Reader
	sum    hash.Hash
	offset int64

	header Header
	mark   store.Mark
	last   *Summary
	failed error
}

// NewReader reads the header. The error is a [*Fault].
func NewReader(r io.Reader) (*Reader, error) {
	a := &Reader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	if err := a.readHeader(); err != nil {
		return nil, err
	}
	return a, nil
}

// Header is what the archive says of itself.
func (a *Reader) Header() Header { return a.header }

// Mark is the end of what was read and verified.
func (a *Reader) Mark() store.Mark { return a.mark }

// Summary is of the whole archive; the zero value before Next returned io.EOF.
func (a *Reader) Summary() Summary {
	if a.last == nil {
		return Summary{}
	}
	return *a.last
}

func (a *Reader) fault(offset int64, kind error, format string, args ...any) *Fault {
	f := &Fault{Offset: offset, Err: kind, Problem: fmt.Sprintf(format, args...)}
	if a.header.Mark.Sequence > 0 {
		f.Frame, f.Position = a.mark.Sequence+1, a.mark.Position+1
	}
	return f
}

// take reads n bytes of a part that began at an offset.
func (a *Reader) take(n int, part string, began int64) ([]byte, error) {
	b := make([]byte, n)
	got, err := io.ReadFull(a.r, b)
	a.offset += int64(got)
	a.sum.Write(b[:got])
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, a.fault(began, ErrCut, "it ends at offset %d, inside of the %s", a.offset, part)
	}
	return nil, a.fault(began, err, "read %s", part)
}

func (a *Reader) readHeader() error {
	prefix, err := a.take(prefixBytes, "header", 0)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(prefix, []byte(magic)) {
		return a.fault(0, ErrFormat, "it does not begin with %q", magic)
	}
	if v := binary.BigEndian.Uint16(prefix[len(magic):]); v != formatVersion {
		return a.fault(0, ErrFormat, "it has format %d, this release reads %d", v, formatVersion)
	}
	n := int(binary.BigEndian.Uint16(prefix[len(magic)+2:]))
	if n < fixedBytes || n > fixedBytes+maxCluster {
		return a.fault(0, ErrDamaged, "the header has %d bytes (allowed: %d to %d)", n, fixedBytes, fixedBytes+maxCluster)
	}
	rest, err := a.take(n, "header", 0)
	if err != nil {
		return err
	}
	if checksum(prefix, rest[:n-sumBytes]) != binary.BigEndian.Uint32(rest[n-sumBytes:]) {
		return a.fault(0, ErrDamaged, "the header's checksum is wrong")
	}
	var h Header
	if problem := h.decodeRest(rest); problem != "" {
		return a.fault(0, ErrDamaged, "%s", problem)
	}
	a.header = h
	return nil
}

// Next returns the next message and its frame, decoded and upcast. io.EOF is the
// end of an archive that is whole; any other error is a [*Fault]. The message's
// bytes are the caller's.
func (a *Reader) Next() (store.Message, *eventsv1.Frame, error) {
	if a.failed != nil {
		return store.Message{}, nil, a.failed
	}
	m, frame, err := a.next()
	a.failed = err
	return m, frame, err
}

func (a *Reader) next() (m store.Message, frame *eventsv1.Frame, err error) {
	began := a.offset
	kind, err := a.take(1, "next frame", began)
	if err != nil {
		return m, nil, err
	}
	switch kind[0] {
	case kindTrailer:
		return m, nil, a.finish(began)
	case kindFrame:
		return a.readFrame(began)
	}
	return m, nil, a.fault(began, ErrDamaged, "neither a frame nor the end begins with %q", kind[0])
}

func (a *Reader) readFrame(began int64) (m store.Message, frame *eventsv1.Frame, err error) {
	length, err := a.take(4, "frame", began)
	if err != nil {
		return m, nil, err
	}
	n := binary.BigEndian.Uint32(length)
	if n > events.MaxFrameBytes {
		return m, nil, a.fault(began, ErrDamaged, "the frame has %d bytes (allowed: at most %d)", n, events.MaxFrameBytes)
	}
	b, err := a.take(int(n)+sumBytes, "frame", began)
	if err != nil {
		return m, nil, err
	}
	data, sum := b[:n:n], binary.BigEndian.Uint32(b[n:])
	if checksum([]byte{kindFrame}, length, data) != sum {
		return m, nil, a.fault(began, ErrDamaged, "the frame's checksum is wrong")
	}
	frame, head, err := a.mark.Next(data)
	if err != nil {
		return m, nil, a.fault(began, ErrDamaged, "%s", err)
	}
	if head.LogID != a.header.Mark.LogID {
		return m, nil, a.fault(began, ErrDamaged, "the frame is of log %s, the header of log %s", head.LogID, a.header.Mark.LogID)
	}
	a.mark = store.Mark{Head: head, Sequence: a.mark.Sequence + 1}
	return store.Message{Sequence: a.mark.Sequence, Data: data}, frame, nil
}

// finish verifies the trailer and that nothing follows; its error is io.EOF when
// all is well.
func (a *Reader) finish(began int64) error {
	rest, err := a.take(trailerSize-1+sumBytes, "trailer", began)
	if err != nil {
		return err
	}
	trailer := append([]byte{kindTrailer}, rest...)
	if !bytes.Equal(trailer, encodeTrailer(a.mark)) {
		return a.fault(began, ErrDamaged, "the trailer does not say what the frames do")
	}
	if a.mark != a.header.Mark {
		return a.fault(began, ErrDamaged, "the frames end at position %d with hash %s, the header says position %d with hash %s",
			a.mark.Position, a.mark.Hash, a.header.Mark.Position, a.header.Mark.Hash)
	}
	want := a.sum.Sum(nil)
	sum, err := a.take(sha256.Size, "sum", began)
	if err != nil {
		return err
	}
	if !bytes.Equal(sum, want) {
		return a.fault(a.offset-sha256.Size, ErrDamaged, "the file's SHA-256 is %x, %x was written", want, sum)
	}
	if _, err := a.r.ReadByte(); err == nil {
		return a.fault(a.offset, ErrDamaged, "bytes follow the end of the archive")
	} else if !errors.Is(err, io.EOF) {
		return a.fault(a.offset, err, "read the end")
	}
	a.last = &Summary{Header: a.header, Bytes: a.offset, Sum: [32]byte(a.sum.Sum(nil))}
	return io.EOF
}

// Verify reads a whole archive. each, if not nil, is called for every frame.
func Verify(r io.Reader, each func(store.Mark, *eventsv1.Frame)) (Summary, error) {
	a, err := NewReader(r)
	if err != nil {
		return Summary{}, err
	}
	for {
		_, frame, err := a.Next()
		switch {
		case errors.Is(err, io.EOF):
			return a.Summary(), nil
		case err != nil:
			return Summary{}, err
		case each != nil:
			each(a.Mark(), frame)
		}
	}
}
