package sequencer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// ErrSnapshot says that a snapshot cannot be used; the log is replayed instead.
var ErrSnapshot = errors.New("snapshot is not usable")

// snapshotName is the file in the snapshot directory. The one before is
// replaced in one step.
const snapshotName = "model.snapshot"

// snapshotHeader is the first line of the file; the model's image follows.
type snapshotHeader struct {
	LogID     string          `json:"logId"`
	Era       uint64          `json:"era"`
	Position  events.Position `json:"position"`
	Sequence  uint64          `json:"sequence"`
	FrameHash string          `json:"frameHash"`
	FrameTime int64           `json:"frameTime"`
	Evolve    int             `json:"evolveVersion"`
	StateHash string          `json:"stateHash"`
}

func headerOf(mark store.Mark, state events.Hash) snapshotHeader {
	return snapshotHeader{
		LogID: mark.LogID.String(), Era: mark.Era, Position: mark.Position, Sequence: mark.Sequence,
		FrameHash: mark.Hash.String(), FrameTime: mark.Time, Evolve: model.EvolveVersion, StateHash: state.String(),
	}
}

// SaveSnapshot writes a view beside what is there and puts it in place in one
// step, durably.
func SaveSnapshot(dir string, v View) error {
	image, err := v.Model.Image()
	if err != nil {
		return err
	}
	line, err := json.Marshal(headerOf(v.Mark, sha256.Sum256(image)))
	if err != nil {
		return fmt.Errorf("snapshot header: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("snapshot directory: %w", err)
	}
	tmp := filepath.Join(dir, snapshotName+".tmp")
	if err := writeSynced(tmp, append(append(line, '\n'), image...)); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, snapshotName)); err != nil {
		return fmt.Errorf("put snapshot in place: %w", err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// LoadSnapshot reads the snapshot of a directory. The zero View is an empty
// log: there is none. Any mismatch is [ErrSnapshot].
func LoadSnapshot(dir string) (View, error) {
	data, err := os.ReadFile(filepath.Join(dir, snapshotName))
	if errors.Is(err, fs.ErrNotExist) {
		return View{}, nil
	}
	if err != nil {
		return View{}, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	line, image, _ := bytes.Cut(data, []byte{'\n'})
	var h snapshotHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return View{}, fmt.Errorf("%w: header: %w", ErrSnapshot, err)
	}
	if h.Evolve != model.EvolveVersion {
		return View{}, fmt.Errorf("%w: evolve version %d, this release has %d", ErrSnapshot, h.Evolve, model.EvolveVersion)
	}
	if state := events.Hash(sha256.Sum256(image)); state.String() != h.StateHash {
		return View{}, fmt.Errorf("%w: state hash is %s, the header says %s", ErrSnapshot, state, h.StateHash)
	}
	return h.view(image)
}

func (h snapshotHeader) view(image []byte) (View, error) {
	m, err := model.FromImage(image)
	if err != nil {
		return View{}, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	mark := store.Mark{Sequence: h.Sequence, Head: events.Head{Era: h.Era, Position: h.Position, Time: h.FrameTime}}
	if err := parseHex(h.LogID, mark.LogID[:]); err != nil {
		return View{}, fmt.Errorf("%w: log id: %w", ErrSnapshot, err)
	}
	if err := parseHex(h.FrameHash, mark.Hash[:]); err != nil {
		return View{}, fmt.Errorf("%w: frame hash: %w", ErrSnapshot, err)
	}
	if m.Position != mark.Position || m.Time != mark.Time {
		return View{}, fmt.Errorf("%w: the image is of position %d, the header of %d", ErrSnapshot, m.Position, mark.Position)
	}
	m.Freeze()
	return View{Model: m, Mark: mark}, nil
}
