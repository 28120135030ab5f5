package election

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Member is a server and what is known of it.
type Member struct {
	Beat
	// Heard is when its last beat came, boot time.
	Heard int64
}

// roster is what was heard of the other servers.
type roster struct {
	mu      sync.Mutex
	members map[string]Member
	// leader and term are whom the last sign of authority was from, heard when.
	leader string
	term   uint64
	heard  int64
}

// maxMembers bounds the servers that are remembered: those of the cluster, and
// some that were replaced.
const maxMembers = 16

func newRoster() *roster { return &roster{members: map[string]Member{}} }

// hear takes a beat.
func (r *roster) hear(b Beat, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.members[b.Server]; !known && len(r.members) >= maxMembers {
		return
	}
	if b.Leaving {
		b.Waiting = []string{"it has stopped"}
	}
	r.members[b.Server] = Member{Beat: b, Heard: now}
	if b.Leading && b.Term >= r.term {
		r.leader, r.term, r.heard = b.Server, b.Term, now
	}
}

// frame notes that the leader of a term has stored a frame.
func (r *roster) frame(leader string, term uint64, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if term >= r.term {
		r.leader, r.term, r.heard = leader, term, now
	}
}

// lastHeard is when the leader of a term was heard; 0 when it was not.
func (r *roster) lastHeard(leader string, term uint64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leader != leader || r.term < term {
		return 0
	}
	return r.heard
}

// get returns what a server last said.
func (r *roster) get(server string) (Member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.members[server]
	return m, ok
}

// all returns all servers, by name.
func (r *roster) all() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Member, 0, len(r.members))
	for _, m := range r.members {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Server, b.Server) })
	return out
}

// fresh reports whether a beat still counts.
func (m Member) fresh(now int64) bool {
	return !m.Leaving && time.Duration(now-m.Heard) <= FreshFor
}
