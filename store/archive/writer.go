package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/omnirelay/omnirelay/store"
)

// Writer writes one archive. It has one owner. What was written before an error,
// or without Close, is no archive and does not pass for one.
type Writer struct {
	w      io.Writer
	sum    hash.Hash
	header Header
	mark   store.Mark
	bytes  int64
}

// NewWriter begins an archive of a log that ends at header.Mark. Writes are
// small: hand over a buffered writer.
func NewWriter(w io.Writer, header Header) (*Writer, error) {
	b, err := header.encode()
	if err != nil {
		return nil, err
	}
	a := &Writer{w: w, sum: sha256.New(), header: header}
	return a, a.write(b)
}

func (a *Writer) write(b []byte) error {
	n, err := a.w.Write(b)
	a.bytes += int64(n)
	a.sum.Write(b[:n])
	if err != nil {
		return fmt.Errorf("archive: write: %w", err)
	}
	return nil
}

// Append adds the next message of the log. One that does not follow is a
// store.ErrGap or an *events.ChainError, and nothing is written.
func (a *Writer) Append(m store.Message) error {
	_, next, err := a.mark.Verify(m)
	if err != nil {
		return err
	}
	record := frameHead(len(m.Data))
	var sum [sumBytes]byte
	binary.BigEndian.PutUint32(sum[:], checksum(record[:], m.Data))
	for _, part := range [][]byte{record[:], m.Data, sum[:]} {
		if err := a.write(part); err != nil {
			return err
		}
	}
	a.mark = next
	return nil
}

// Close ends the archive. It refuses one that did not reach what its header
// names; the writer below is the caller's to flush and close.
func (a *Writer) Close() (Summary, error) {
	if a.mark != a.header.Mark {
		return Summary{}, fmt.Errorf("archive: it ends at message %d, position %d; the header says message %d, position %d, hash %s",
			a.mark.Sequence, a.mark.Position, a.header.Mark.Sequence, a.header.Mark.Position, a.header.Mark.Hash)
	}
	if err := a.write(encodeTrailer(a.mark)); err != nil {
		return Summary{}, err
	}
	if err := a.write(a.sum.Sum(nil)); err != nil {
		return Summary{}, err
	}
	// The file's own sum, its last 32 bytes included, is what sha256sum shows.
	return Summary{Header: a.header, Bytes: a.bytes, Sum: [32]byte(a.sum.Sum(nil))}, nil
}
