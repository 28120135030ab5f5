package election

import (
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// Member is a server and what is known of it.
type Member struct {
	Beat
	// Heard is when its last beat came, boot time.
	Heard int64
}

// Fresh reports whether its beat still counts.
func (m Member) Fresh(now int64) bool {
	return !m.Leaving && time.Duration(now-m.Heard) <= FreshFor
}

// Roster is what one server has heard of the others. It has one owner, and no
// clock of its own: times are boot time of who hears, nanoseconds.
type Roster struct {
	members map[string]Member
	// leader and term are whom the last sign of authority was from, heard when.
	leader string
	term   uint64
	heard  int64
}

// maxMembers bounds the servers that are remembered: those of the cluster, and
// some that were replaced.
const maxMembers = 16

// NewRoster returns a roster of nobody.
func NewRoster() *Roster { return &Roster{members: map[string]Member{}} }

// Hear takes a beat.
func (r *Roster) Hear(b Beat, now int64) {
	if _, known := r.members[b.Server]; !known && len(r.members) >= maxMembers {
		return
	}
	if b.Leaving {
		b.Waiting = []string{"it has stopped"}
	}
	r.members[b.Server] = Member{Beat: b, Heard: now}
	if b.Leading {
		r.sign(b.Server, b.Term, now)
	}
}

// Stored takes a view that server self has stored: a sign of life of the leader
// that it names.
func (r *Roster) Stored(self string, v sequencer.View, now int64) {
	if scope, ok := v.Model.Leadership.Scope(events.GlobalScope); ok && scope.Holder != self {
		r.sign(scope.Holder, uint64(scope.Term), now)
	}
}

// sign notes a sign of authority of the leader of a term.
func (r *Roster) sign(leader string, term uint64, now int64) {
	if term >= r.term {
		r.leader, r.term, r.heard = leader, term, now
	}
}

// lastHeard is when the leader of a term was heard; 0 when it was not.
func (r *Roster) lastHeard(leader string, term uint64) int64 {
	if r.leader != leader || r.term < term {
		return 0
	}
	return r.heard
}

// Look is what server self knows now, by its sequencer and by what it heard. The
// caller adds what it alone knows: Servers, Since, HostsLog, HostsAll, Routed.
func (r *Roster) Look(self string, st sequencer.Status, seq sequencer.View, now int64) View {
	v := r.glance(self, st, seq, now)
	for _, m := range r.Members() {
		if !m.Fresh(now) {
			continue
		}
		v.Others = append(v.Others, Other{Server: m.Server, Misses: m.Misses, Position: m.Position})
		if m.Server == v.Leader && m.Retiring {
			v.Retiring, v.Successor = true, m.Successor
		}
	}
	return v
}

// glance is a look without the others.
func (r *Roster) glance(self string, st sequencer.Status, seq sequencer.View, now int64) View {
	v := View{
		Now: now, Self: self, Leading: st.Leading, Campaigning: st.Campaigning, Eligible: !st.Follows,
		Position: uint64(seq.Mark.Position),
	}
	if scope, ok := seq.Model.Leadership.Scope(events.GlobalScope); ok {
		v.Leader = scope.Holder
		v.Heard = r.lastHeard(scope.Holder, uint64(scope.Term))
	}
	return v
}

// Leader is who leads with authority as far as server self knows: it does, or it
// has heard lately one that does.
func (r *Roster) Leader(self string, st sequencer.Status, seq sequencer.View, now int64) (server string, known bool) {
	v := r.glance(self, st, seq, now)
	switch {
	case v.Leading:
		return self, true
	case v.Leader == "" || v.Leader == self:
		return "", false
	}
	return v.Leader, v.Heard != 0 && time.Duration(now-v.Heard) < MissAfter
}

// Successor is the server that is ready to lead and has come furthest.
func (r *Roster) Successor(now int64, routed func(server string) bool) (server string, ok bool) {
	all := slices.DeleteFunc(r.Members(), func(m Member) bool {
		return !m.Fresh(now) || !m.Eligible || len(m.Waiting) > 0 || !routed(m.Server)
	})
	if len(all) == 0 {
		return "", false
	}
	best := slices.MaxFunc(all, func(a, b Member) int { return int(int64(a.Position) - int64(b.Position)) })
	return best.Server, true
}

// Member returns what a server last said.
func (r *Roster) Member(server string) (Member, bool) {
	m, ok := r.members[server]
	return m, ok
}

// Members returns all servers that were heard, by name.
func (r *Roster) Members() []Member {
	out := make([]Member, 0, len(r.members))
	for _, m := range r.members {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Server, b.Server) })
	return out
}
