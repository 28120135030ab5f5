package member

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// fenceFileHead begins the first line of the file; the checksum of the rest, in
// hex, ends it. A line per scope follows, "<fence> <scope>", by scope.
const fenceFileHead = "omnirelay fences 1 "

// FenceFile is a [FenceStore] in a file of its own, which one process uses at a
// time. A save writes it anew (65,536 scopes are some 3 MB), synced to the disk
// under another name, then renamed and the directory synced: after a crash at
// any moment it is whole, old or new. A file that is damaged is refused at open,
// not taken for an empty one; one that is gone is a new one, which nothing here
// can tell from lost.
type FenceFile struct {
	path string
	disk fenceDisk

	mu     sync.Mutex
	lock   *os.File // nil after Close
	fences map[string]int64
}

// fenceDisk is what a FenceFile does to the disk.
type fenceDisk interface {
	// read returns a file; fs.ErrNotExist when there is none.
	read(path string) ([]byte, error)
	// replace puts data in a file's place, as one step that is durable on return.
	replace(path string, data []byte) error
}

type osDisk struct{}

func (osDisk) read(path string) ([]byte, error)       { return os.ReadFile(path) }
func (osDisk) replace(path string, data []byte) error { return replaceFile(path, data) }

// OpenFenceFile opens or makes the file; its directory exists. While it is open
// nobody else can: the error is then [ErrLocked].
func OpenFenceFile(path string) (*FenceFile, error) {
	lock, err := lockFile(path+".lock", path+" (allowed: one guard per file)")
	if err != nil {
		return nil, err
	}
	f, err := readFenceFile(path, osDisk{})
	if err != nil {
		lock.Close() //nolint:errcheck // nothing was written
		return nil, err
	}
	f.lock = lock
	return f, nil
}

func readFenceFile(path string, disk fenceDisk) (*FenceFile, error) {
	data, err := disk.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &FenceFile{path: path, disk: disk, fences: map[string]int64{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("member: fences: %w", err)
	}
	fences, err := parseFences(data)
	if err != nil {
		return nil, fmt.Errorf("member: %s is damaged: %w (allowed: as it was written; without it old holders are let in)", path, err)
	}
	return &FenceFile{path: path, disk: disk, fences: fences}, nil
}

// Load implements [FenceStore].
func (f *FenceFile) Load() (map[string]int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fences == nil {
		return nil, fmt.Errorf("member: read %s: %w", f.path, fs.ErrClosed)
	}
	return maps.Clone(f.fences), nil
}

// Save implements [FenceStore].
func (f *FenceFile) Save(fences map[string]int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fences == nil {
		return fmt.Errorf("member: write %s: %w", f.path, fs.ErrClosed)
	}
	for scope, fence := range fences {
		f.fences[scope] = max(f.fences[scope], fence)
	}
	return f.disk.replace(f.path, appendFences(f.fences))
}

// Close lets the file go. What was saved is there already.
func (f *FenceFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	lock := f.lock
	f.fences, f.lock = nil, nil
	if lock == nil {
		return nil
	}
	return lock.Close()
}

func appendFences(fences map[string]int64) []byte {
	var rows []byte
	for _, scope := range slices.Sorted(maps.Keys(fences)) {
		rows = strconv.AppendInt(rows, fences[scope], 10)
		rows = append(rows, ' ')
		rows = append(append(rows, scope...), '\n')
	}
	return append(fmt.Appendf(nil, "%s%08x\n", fenceFileHead, fenceSum(rows)), rows...)
}

func fenceSum(rows []byte) uint32 { return crc32.Checksum(rows, crc32.MakeTable(crc32.Castagnoli)) }

func parseFences(data []byte) (map[string]int64, error) {
	head, rows, _ := bytes.Cut(data, []byte("\n"))
	sum, ok := strings.CutPrefix(string(head), fenceFileHead)
	if want := fmt.Sprintf("%08x", fenceSum(rows)); !ok || sum != want {
		return nil, fmt.Errorf("its first line is %.40q, not %q", head, fenceFileHead+want)
	}
	fences := map[string]int64{}
	for row := range strings.Lines(string(rows)) {
		number, scope, _ := strings.Cut(strings.TrimSuffix(row, "\n"), " ")
		fence, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("row %.40q: %w", row, err)
		}
		if err := (FencingToken{Scope: scope, Fence: fence}).check(); err != nil {
			return nil, fmt.Errorf("row %.40q: %w", row, err)
		}
		fences[scope] = fence
	}
	return fences, nil
}
