package client

import (
	"net/http"
	"strconv"
	"sync"
)

// Headers of every answer.
const (
	headerLog      = "X-Mesh-Log"
	headerPosition = "X-Mesh-Position"
)

// seen keeps the highest position of the log that answered last.
type seen struct {
	mu       sync.Mutex
	log      string
	position int64
}

func (s *seen) note(h http.Header) {
	log := h.Get(headerLog)
	if log == "" {
		return
	}
	position, err := strconv.ParseInt(h.Get(headerPosition), 10, 64)
	if err != nil {
		position = 0 // an answer without a position still names its log
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != log {
		s.log, s.position = log, 0
	}
	s.position = max(s.position, position)
}

func (s *seen) get() (string, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log, s.position
}
