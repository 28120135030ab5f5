package member

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// secretBytes is the length of a session's secret.
const secretBytes = 32

// saveEvery is the least time between two writes of what was seen. A crash
// forgets what was seen after the last one, which costs only the notice of a log
// that lost as little.
const saveEvery = time.Second

// store is the data directory. Its files: lock, held by flock while a process
// uses the directory; secret; incarnation; seen.json.
type store struct {
	dir    string
	lock   *os.File
	secret []byte
	// incarnation counts the processes that used the directory, this one
	// included. An open names it: only a higher one replaces a live session.
	incarnation int64

	mu    sync.Mutex
	seen  seenLog
	saved seenLog
	dirty chan struct{}
}

// seenLog is what this node knows of the log it belongs to.
type seenLog struct {
	// Log is "<cluster>.<era>", for people.
	Log string `json:"log"`
	// LogID pins the log; hex.
	LogID string `json:"logId"`
	// Position is the newest that was seen.
	Position int64 `json:"position"`
}

func openStore(dir string) (_ *store, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("member: data directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"), dir+" (allowed: one directory per process)")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	s := &store{dir: dir, lock: lock, dirty: make(chan struct{}, 1)}
	if err := s.readSecret(); err != nil {
		return nil, err
	}
	if err := s.countProcess(); err != nil {
		return nil, err
	}
	return s, s.readSeen()
}

// countProcess counts this process, durably, before it opens a session.
func (s *store) countProcess() error {
	path := filepath.Join(s.dir, "incarnation")
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("member: incarnation: %w", err)
	}
	if err == nil {
		n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		if err != nil || n < 1 {
			return fmt.Errorf("member: %s is damaged: %q (allowed: a number from 1; without file and secret this is a new node)", path, data)
		}
		s.incarnation = n
	}
	s.incarnation++
	return s.write("incarnation", fmt.Appendln(nil, s.incarnation))
}

func (s *store) readSecret() error {
	path := filepath.Join(s.dir, "secret")
	secret, err := os.ReadFile(path)
	switch {
	case err == nil && len(secret) == secretBytes:
		s.secret = secret
		return nil
	case err == nil:
		return fmt.Errorf("member: %s has %d bytes (allowed: %d; without the file a new secret is made)", path, len(secret), secretBytes)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("member: secret: %w", err)
	}
	s.secret = make([]byte, secretBytes)
	if _, err := rand.Read(s.secret); err != nil {
		return fmt.Errorf("member: secret: %w", err)
	}
	return s.write("secret", s.secret)
}

func (s *store) readSeen() error {
	path := filepath.Join(s.dir, "seen.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("member: what was seen: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s.seen); err != nil {
		return fmt.Errorf("member: %s is damaged: %w (allowed: as this node wrote it; without the file it trusts any log)", path, err)
	}
	s.saved = s.seen
	return nil
}

// write replaces a file; after a crash it is the old one or the new one.
func (s *store) write(name string, data []byte) error {
	return replaceFile(filepath.Join(s.dir, name), data)
}

// newest is the newest position that was seen.
func (s *store) newest() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.Position
}

// accept takes a new session's log and position, or says why it is not the log
// that this node belongs to. before is the newest position that was seen before
// the session was asked for: a later one may come before the answer.
func (s *store) accept(log string, id []byte, position, before int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	named := hex.EncodeToString(id)
	if s.seen.LogID != "" && s.seen.LogID != named {
		return fmt.Errorf("%w: %s belongs to log %s (%s), the servers have %s (%s) (allowed: servers of that log, or an empty data directory)",
			ErrOtherLog, s.dir, s.seen.Log, s.seen.LogID, log, named)
	}
	if position <= before {
		return fmt.Errorf("%w: the new session has position %d, and position %d was seen before (see %s)",
			ErrLogBehind, position, before, filepath.Join(s.dir, "seen.json"))
	}
	s.seen = seenLog{Log: log, LogID: named, Position: max(position, s.seen.Position)}
	s.wake()
	return nil
}

// note notes a position that was seen.
func (s *store) note(position int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position > s.seen.Position && s.seen.LogID != "" {
		s.seen.Position = position
		s.wake()
	}
}

func (s *store) wake() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// save writes what was seen now and then, until ctx ends.
func (s *store) save(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		}
		// An error shows again when the directory is closed.
		_ = s.flush()
		select {
		case <-ctx.Done():
			return
		case <-time.After(saveEvery):
		}
	}
}

func (s *store) flush() error {
	s.mu.Lock()
	seen, same := s.seen, s.seen == s.saved
	s.mu.Unlock()
	if same {
		return nil
	}
	data, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	if err := s.write("seen.json", append(data, '\n')); err != nil {
		return err
	}
	s.mu.Lock()
	s.saved = seen
	s.mu.Unlock()
	return nil
}

// close writes the last of it and lets the directory go.
func (s *store) close() error {
	return firstError(s.flush(), s.lock.Close())
}
