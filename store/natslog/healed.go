package natslog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omnirelay/omnirelay/events"
)

// Healed says which end of the log was lost and put back.
type Healed struct {
	// First and Last position of what was missing, and the hash of the last frame.
	First events.Position `json:"first"`
	Last  events.Position `json:"last"`
	Hash  events.Hash     `json:"hash"`
	// Messages that were missing; Sequence is the last one's.
	Messages uint64 `json:"messages"`
	Sequence uint64 `json:"sequence"`
	// From is the server that had kept them.
	From string `json:"from"`
}

// The note of a healing is on disk before the first message is put back, so that
// the log can be told of it whatever happens meanwhile.
func healedPath(dir string) string { return filepath.Join(dir, "healed") }

// noteHealing keeps a healing; a note that was not logged yet is widened.
func (s *Store) noteHealing(h Healed) error {
	if before := s.healed.Load(); before != nil && before.First < h.First && before.Last+1 >= h.First {
		h.First, h.Messages = before.First, h.Sequence-(before.Sequence-before.Messages)
	}
	b, err := json.Marshal(h)
	if err == nil {
		err = writeFile(healedPath(s.cfg.Dir), b)
	}
	if err != nil {
		return fmt.Errorf("natslog: note what is put back: %w", err)
	}
	s.healed.Store(&h)
	return nil
}

// readHealing takes the note that an earlier process has left.
func (s *Store) readHealing() error {
	b, err := os.ReadFile(healedPath(s.cfg.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var h Healed
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return fmt.Errorf("natslog: read what was put back: %w", err)
	}
	s.healed.Store(&h)
	return nil
}

// Healed returns an end of the log that was lost and put back, by this server, and
// that [Store.HealedLogged] was not told of; false when there is none, or when it is
// not all back yet.
func (s *Store) Healed() (Healed, bool) {
	h := s.healed.Load()
	if h == nil || s.short.Load() > 0 || s.tail.last() < h.Sequence {
		return Healed{}, false
	}
	return *h, true
}

// HealedLogged forgets a healing that is on the log.
func (s *Store) HealedLogged(h Healed) error {
	if now := s.healed.Load(); now == nil || *now != h {
		return nil // there was another meanwhile
	}
	if err := os.Remove(healedPath(s.cfg.Dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("natslog: forget what was put back: %w", err)
	}
	s.healed.Store(nil)
	return nil
}
