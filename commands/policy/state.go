package policy

import (
	"time"

	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Policy is one policy as last set.
type Policy struct {
	Kind    string `cbor:"1,keyasint"`
	Name    string `cbor:"2,keyasint"`
	Version uint64 `cbor:"3,keyasint"`
	// SessionTTL is set for kind "session".
	SessionTTL time.Duration `cbor:"4,keyasint,omitempty"`
	// Quarantine is set for kind "quarantine".
	Quarantine Quarantine `cbor:"5,keyasint,omitempty" json:",omitzero"`
	// Window is set for kind "maintenance".
	Window *Window `cbor:"20,keyasint,omitempty" json:",omitempty"`
}

// State holds the policies. The zero State has none. It has one owner.
type State struct {
	policies btree.Map[string, Policy]
	// floor is the highest version of a policy that was removed: a version asked
	// for must not fit another policy of the name.
	floor uint64
}

// Clone returns an independent state that shares what neither changes.
func (s *State) Clone() *State { return &State{policies: *s.policies.Copy(), floor: s.floor} }

// SessionTTL is the time to live of sessions that are opened now.
func (s *State) SessionTTL() time.Duration {
	if p, ok := s.policies.Get(id(SessionKind, DefaultName)); ok {
		return p.SessionTTL
	}
	return DefaultSessionTTL
}

// Quarantine says when shards are quarantined from now on.
func (s *State) Quarantine() Quarantine {
	if p, ok := s.policies.Get(id(QuarantineKind, DefaultName)); ok {
		return p.Quarantine
	}
	return DefaultQuarantine()
}

// Image is the whole state in a deterministic order, for snapshots.
func (s *State) Image() []Policy { return s.policies.Values() }

// Floor is what the image does not say: the highest version of a policy that was
// removed.
func (s *State) Floor() uint64 { return s.floor }

// FromImage is the state that had this image and floor.
func FromImage(image []Policy, floor uint64) *State {
	s := &State{floor: floor}
	for _, p := range image {
		s.policies.Set(id(p.Kind, p.Name), p)
	}
	return s
}

func id(kind, name string) string { return kind + "/" + name }

// Evolve applies a recorded event; those of other contexts change nothing.
func (s *State) Evolve(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_PolicySet:
		p := e.PolicySet
		old, _ := s.policies.Get(id(p.Kind, p.Name))
		s.policies.Set(id(p.Kind, p.Name), Policy{
			Kind: p.Kind, Name: p.Name, Version: p.Version,
			SessionTTL: time.Duration(p.GetSession().GetTtlMs()) * time.Millisecond,
			Quarantine: quarantineOf(p.GetQuarantine()),
			Window:     windowOf(r, p.Name, p.GetMaintenance(), old.Window),
		})
	case *eventsv1.Event_PolicyRemoved:
		s.policies.Delete(id(e.PolicyRemoved.Kind, e.PolicyRemoved.Name))
		s.floor = max(s.floor, e.PolicyRemoved.Version)
	}
}

func quarantineOf(q *eventsv1.QuarantinePolicy) Quarantine {
	return Quarantine{
		Deaths: q.GetDeaths(), Window: time.Duration(q.GetWindowMs()) * time.Millisecond,
		MaxAtOnce: q.GetMaxAtOnce(), Disabled: q.GetDisabled(),
	}
}
