package archive

import (
	"errors"
	"fmt"

	"github.com/omnirelay/omnirelay/events"
)

var (
	// ErrCut: the file ends before the archive does.
	ErrCut = errors.New("the archive is cut short")
	// ErrDamaged: the bytes are not those that were written.
	ErrDamaged = errors.New("the archive is damaged")
	// ErrFormat: not an archive, or one of a newer release.
	ErrFormat = errors.New("not an archive that this release reads")
	// ErrNotPrefix: the target of a copy holds something else than the source.
	ErrNotPrefix = errors.New("the target is no prefix of the source")
	// ErrPosition: a restore was asked for up to where it cannot end, or begin.
	ErrPosition = errors.New("not a position for this restore")
)

// Fault says what is wrong with an archive, and where.
type Fault struct {
	// Offset of the part that is wrong, in bytes from the start of the file.
	Offset int64
	// Frame that was being read, from 1; 0 is the header. Position is the one at
	// which it should begin.
	Frame    uint64
	Position events.Position
	Problem  string
	// Err is ErrCut, ErrDamaged or ErrFormat, or the error of a read.
	Err error
}

func (f *Fault) Error() string {
	where := "header"
	if f.Frame > 0 {
		where = fmt.Sprintf("frame %d, position %d", f.Frame, f.Position)
	}
	return fmt.Sprintf("archive: %s, offset %d: %s: %s", where, f.Offset, f.Err, f.Problem)
}

// Unwrap gives the kind of fault.
func (f *Fault) Unwrap() error { return f.Err }
