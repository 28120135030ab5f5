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
}

// State holds the policies. The zero State has none. It has one owner.
type State struct {
	policies btree.Map[string, Policy]
}

// Clone returns an independent state that shares what neither changes.
func (s *State) Clone() *State { return &State{policies: *s.policies.Copy()} }

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

// FromImage is the state that had this image.
func FromImage(image []Policy) *State {
	s := &State{}
	for _, p := range image {
		s.policies.Set(id(p.Kind, p.Name), p)
	}
	return s
}

func id(kind, name string) string { return kind + "/" + name }

// Evolve applies a recorded event; those of other contexts change nothing.
func (s *State) Evolve(r events.Recorded) {
	set, ok := r.Event.Kind.(*eventsv1.Event_PolicySet)
	if !ok {
		return
	}
	p := set.PolicySet
	s.policies.Set(id(p.Kind, p.Name), Policy{
		Kind: p.Kind, Name: p.Name, Version: p.Version,
		SessionTTL: time.Duration(p.GetSession().GetTtlMs()) * time.Millisecond,
		Quarantine: Quarantine{
			Deaths: p.GetQuarantine().GetDeaths(), Window: time.Duration(p.GetQuarantine().GetWindowMs()) * time.Millisecond,
			MaxAtOnce: p.GetQuarantine().GetMaxAtOnce(), Disabled: p.GetQuarantine().GetDisabled(),
		},
	})
}
