package registry

import (
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Numbers of the tables.
const (
	PeersID      = 20
	LeadersID    = 21
	NamespacesID = 22
	CandidatesID = 23
	PoliciesID   = 24
	ErasID       = 25
	LogStatesID  = 26
	// MaintenanceID leaves a gap for tables that came at the same time.
	MaintenanceID = 28
	SchedulesID   = 29
)

// The tables of this view. Each has its own rows and can be rebuilt alone.
type (
	// Peers keeps [controlv1.Peer]s by node id.
	Peers struct{}
	// Leaders keeps [controlv1.LeadershipToken]s by scope.
	Leaders struct{}
	// Namespaces keeps [controlv1.Namespace]s by name.
	Namespaces struct{}
	// Candidates keeps [eventsv1.CandidacyDeclared]s by scope and session.
	Candidates struct{}
	// Policies keeps [eventsv1.PolicySet]s by kind and name.
	Policies struct{}
	// Eras keeps [eventsv1.EraStarted]s by number.
	Eras struct{}
	// LogStates keeps one [controlv1.LogState].
	LogStates struct{}
	// Schedules keeps [controlv1.Schedule]s by name.
	Schedules struct{}
)

// Tables are all tables of this view.
func Tables() []projections.Table {
	return []projections.Table{
		Peers{}, Leaders{}, Namespaces{}, Candidates{}, Policies{}, Eras{}, LogStates{}, Maintenance{}, Schedules{},
	}
}

// Spec implements [projections.Table].
func (Peers) Spec() kv.Table { return kv.Table{ID: PeersID, Name: "peers", Version: 2} }

// Spec implements [projections.Table].
func (Leaders) Spec() kv.Table { return kv.Table{ID: LeadersID, Name: "leaders", Version: 1} }

// Spec implements [projections.Table].
func (Namespaces) Spec() kv.Table { return kv.Table{ID: NamespacesID, Name: "namespaces", Version: 1} }

// Spec implements [projections.Table].
func (Candidates) Spec() kv.Table { return kv.Table{ID: CandidatesID, Name: "candidates", Version: 1} }

// Spec implements [projections.Table].
func (Policies) Spec() kv.Table { return kv.Table{ID: PoliciesID, Name: "policies", Version: 1} }

// Spec implements [projections.Table].
func (Eras) Spec() kv.Table { return kv.Table{ID: ErasID, Name: "eras", Version: 1} }

// Spec implements [projections.Table].
func (LogStates) Spec() kv.Table { return kv.Table{ID: LogStatesID, Name: "logstates", Version: 1} }

// Spec implements [projections.Table].
func (Schedules) Spec() kv.Table { return kv.Table{ID: SchedulesID, Name: "schedules", Version: 1} }

// PeerCodec is the form of rows of peers.
func PeerCodec() projections.ProtoCodec[*controlv1.Peer] {
	return projections.ProtoCodec[*controlv1.Peer]{New: func() *controlv1.Peer { return &controlv1.Peer{} }}
}

// LeaderCodec is the form of rows of leaders.
func LeaderCodec() projections.ProtoCodec[*controlv1.LeadershipToken] {
	return projections.ProtoCodec[*controlv1.LeadershipToken]{New: func() *controlv1.LeadershipToken { return &controlv1.LeadershipToken{} }}
}

// NamespaceCodec is the form of rows of namespaces.
func NamespaceCodec() projections.ProtoCodec[*controlv1.Namespace] {
	return projections.ProtoCodec[*controlv1.Namespace]{New: func() *controlv1.Namespace { return &controlv1.Namespace{} }}
}

func scheduleCodec() projections.ProtoCodec[*controlv1.Schedule] {
	return projections.ProtoCodec[*controlv1.Schedule]{New: func() *controlv1.Schedule { return &controlv1.Schedule{} }}
}

func candidateCodec() projections.ProtoCodec[*eventsv1.CandidacyDeclared] {
	return projections.ProtoCodec[*eventsv1.CandidacyDeclared]{New: func() *eventsv1.CandidacyDeclared { return &eventsv1.CandidacyDeclared{} }}
}

func policyCodec() projections.ProtoCodec[*eventsv1.PolicySet] {
	return projections.ProtoCodec[*eventsv1.PolicySet]{New: func() *eventsv1.PolicySet { return &eventsv1.PolicySet{} }}
}

func eraCodec() projections.ProtoCodec[*eventsv1.EraStarted] {
	return projections.ProtoCodec[*eventsv1.EraStarted]{New: func() *eventsv1.EraStarted { return &eventsv1.EraStarted{} }}
}

func logStateCodec() projections.ProtoCodec[*controlv1.LogState] {
	return projections.ProtoCodec[*controlv1.LogState]{New: func() *controlv1.LogState { return &controlv1.LogState{} }}
}

// nameKey is the primary key of a row that has one name.
func nameKey(name string) kv.Key { return kv.Key{}.String(name) }

// sessionKey is the beginning of the index keys of what a session holds.
func sessionKey(session uint64) kv.Key { return kv.Key{}.Uint64(session) }

// counterChanged is where rows of a table last changed.
const counterChanged = "changed"
