package natslog

import "sync"

// troubles are what keeps a store from being trusted with its part of the log, for
// whoever asks whether this server is ready.
type troubles struct {
	mu     sync.Mutex
	behind string // this server's copy is behind
	short  string // the log ends before what was stored
}

// Trouble says what is wrong with the log or with this server's copy of it; "" when
// nothing is. The server is to be counted as not ready while something is.
func (s *Store) Trouble() string {
	t := &s.troubles
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.short != "" {
		return t.short
	}
	return t.behind
}

// tellBehind keeps what to say of this server's copy, and logs it when it changes.
func (s *Store) tellBehind(what string) {
	s.tell(&s.troubles.behind, what, "this server's copy of the log is up to date again")
}

func (s *Store) tellShort(what string) {
	s.tell(&s.troubles.short, what, "the log reaches what was stored again")
}

func (s *Store) tell(place *string, what, over string) {
	s.troubles.mu.Lock()
	before := *place
	*place = what
	s.troubles.mu.Unlock()
	switch {
	case before == "" && what != "":
		s.cfg.logger().Error(what)
	case before != "" && what == "":
		s.cfg.logger().Info(over)
	case before != what:
		s.cfg.logger().Warn(what)
	}
}
