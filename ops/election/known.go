package election

func (e *Election) successor() (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.roster.Successor(e.cfg.Clock().Boot, e.cfg.Link.Routed)
}

// Others returns what is known of the other servers, by name.
func (e *Election) Others() []Member {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.roster.Members()
}

// Last is when a server was last heard, boot time, and whether it then said that it
// stops; false when it was not heard since this one started.
func (e *Election) Last(server string) (heard int64, stops, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ok := e.roster.Member(server)
	return m.Heard, m.Leaving, ok
}

// Abreast reports whether a position is at or beyond what the leader last said of
// its log.
func (e *Election) Abreast(position uint64) bool {
	leader, known := e.Leader()
	if !known || leader == e.cfg.Server {
		return known
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ok := e.roster.Member(leader)
	return ok && position >= m.Position
}

// Alive reports whether a member's beats are coming.
func (e *Election) Alive(m Member) bool { return m.Fresh(e.cfg.Clock().Boot) }

// Leader is the server that leads with authority, as far as this one knows: it
// does, or has heard one that does.
func (e *Election) Leader() (string, bool) {
	st, seq := e.cfg.Candidate.Status(), e.cfg.Candidate.View()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.roster.Leader(e.cfg.Server, st, seq, e.cfg.Clock().Boot)
}
