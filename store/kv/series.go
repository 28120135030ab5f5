package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// A series is a list of ascending numbers under a name: the decisions of an
// actor, for example. It is stored in pieces, a key for what one commit adds, so
// that a number costs a byte or two and not a key.

// maxPiece bounds the numbers of one key: what a reader decodes that wants one.
const maxPiece = 128

// series is what a batch adds to one.
type series struct{ numbers []uint64 }

// SeriesAdd adds a number to a series. Within a batch the numbers of one series
// ascend; the last one again is passed over. So are, by readers, numbers up to
// one that an earlier batch has added: a batch that is applied again begins at
// or before the place where the first one did. No name may be the beginning of
// another. The batch's own reads do not see a series.
func (b *Batch) SeriesAdd(t Table, name []byte, number uint64) {
	if !b.writable(t) {
		return
	}
	b.key = append(appendHeader(b.key[:0], spaceSeries, t), name...)
	s := b.series.entries[string(b.key)]
	if s == nil {
		s = &series{}
		b.series.add(string(b.key), s)
		b.size += len(b.key) + rowOverhead
	}
	if n := len(s.numbers); n > 0 && s.numbers[n-1] >= number {
		if s.numbers[n-1] > number {
			b.note(tableError("write series of", t, fmt.Errorf("%w: it is %d; the least allowed is %d", ErrPosition, number, s.numbers[n-1])))
		}
		return
	}
	s.numbers = append(s.numbers, number)
	b.size += 8
}

// series emits each piece under its first number.
func (e *emitter) series() {
	var piece []byte
	for _, name := range e.Batch.series.keys() {
		numbers := e.Batch.series.entries[name].numbers
		for len(numbers) > 0 {
			n := min(len(numbers), maxPiece)
			piece = piece[:0]
			for i, number := range numbers[1:n] {
				piece = binary.AppendUvarint(piece, number-numbers[i])
			}
			e.key = binary.BigEndian.AppendUint64(append(e.key[:0], name...), numbers[0])
			e.key = append(e.key, sentinel)
			e.to.set(e.key, piece, nil)
			numbers = numbers[n:]
		}
	}
}

// Series calls fn with the numbers of a series that come after one, in order,
// until fn returns false.
func (s *Snapshot) Series(t Table, name []byte, after uint64, fn func(number uint64) bool) error {
	r := seriesReader{last: after, fn: func(_ []byte, number uint64) bool { return fn(number) }}
	lower, upper := bounds(spaceSeries, t, name, nil)
	return s.iterate("read series of", t, lower, upper, func(it *pebble.Iterator) error {
		// The piece that begins at or before the next number may hold it.
		seek := binary.BigEndian.AppendUint64(append(appendHeader(nil, spaceSeries, t), name...), after+1)
		valid := it.SeekLT(append(seek, sentinel, sentinel))
		if !valid {
			valid = it.First()
		}
		return r.walk(it, valid)
	})
}

// EachSeries calls fn with every number of every series of a table, by name and
// then number, until fn returns false. name is valid during the call.
func (s *Snapshot) EachSeries(t Table, fn func(name []byte, number uint64) bool) error {
	r := seriesReader{fn: fn}
	lower, upper := bounds(spaceSeries, t, nil, nil)
	return s.iterate("read series of", t, lower, upper, func(it *pebble.Iterator) error {
		return r.walk(it, it.First())
	})
}

// seriesReader joins pieces.
type seriesReader struct {
	fn   func(name []byte, number uint64) bool
	name []byte // of the last piece
	last uint64 // number that was handed out last, or that the reader begins after
}

func (r *seriesReader) walk(it *pebble.Iterator, valid bool) error {
	for ; valid; valid = it.Next() {
		key, err := decodeKey(it.Key())
		if err == nil && len(key) < 8 {
			err = corruptf("series key %x has no number", it.Key())
		}
		if err != nil {
			return err
		}
		piece, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		name, first := key[:len(key)-8], binary.BigEndian.Uint64(key[len(key)-8:])
		if r.name != nil && string(name) != string(r.name) {
			r.last = 0
		}
		r.name = append(r.name[:0], name...)
		more, err := r.piece(first, piece)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// piece hands out the numbers of one key that are new.
func (r *seriesReader) piece(number uint64, rest []byte) (more bool, err error) {
	for {
		if number > r.last {
			r.last = number
			if !r.fn(r.name, number) {
				return false, nil
			}
		}
		if len(rest) == 0 {
			return true, nil
		}
		step, n := binary.Uvarint(rest)
		if n <= 0 {
			return false, corruptf("series %x does not decode after number %d", r.name, number)
		}
		number, rest = number+step, rest[n:]
	}
}
