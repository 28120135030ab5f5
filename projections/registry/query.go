package registry

import (
	"errors"
	"strconv"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// counterTotal is the number of rows of a table.
const counterTotal = "total"

func statusCounter(s controlv1.PeerStatus) string { return "status/" + strconv.Itoa(int(s)) }

// get reads one row as it was at a position (0 is now).
func get[M any](v *projections.View, table uint16, c projections.Codec[M], pk kv.Key, at events.Position) (row M, ok bool, err error) {
	data, _, ok, err := v.Get(table, pk, at)
	if err != nil || !ok {
		return row, false, err
	}
	row, err = c.Parse(data)
	return row, err == nil, err
}

// each visits rows in the order of their keys, after a primary key.
func each[M any](v *projections.View, table uint16, c projections.Codec[M], r projections.Range, at events.Position, fn func(M) bool) error {
	var bad error
	err := v.List(table, r, at, func(_, data []byte) bool {
		var row M
		if row, bad = c.Parse(data); bad != nil {
			return false
		}
		return fn(row)
	})
	return errors.Join(err, bad)
}

// from is the range after the row with a name; "" is from the first.
func from(after string) projections.Range {
	if after == "" {
		return projections.Range{}
	}
	return projections.Range{After: nameKey(after)}
}

// Peer returns a node as it was at a position (0 is now).
func Peer(v *projections.View, id string, at events.Position) (*controlv1.Peer, bool, error) {
	return get(v, PeersID, PeerCodec(), nameKey(id), at)
}

// EachPeer visits nodes by id, those after an id ("" is from the first), until
// fn returns false.
func EachPeer(v *projections.View, after string, at events.Position, fn func(*controlv1.Peer) bool) error {
	return each(v, PeersID, PeerCodec(), from(after), at, fn)
}

// Leader returns who leads a scope.
func Leader(v *projections.View, scope string, at events.Position) (*controlv1.LeadershipToken, bool, error) {
	return get(v, LeadersID, LeaderCodec(), nameKey(scope), at)
}

// EachLeader visits the scopes that are led, by name, those after a scope.
func EachLeader(v *projections.View, after string, at events.Position, fn func(*controlv1.LeadershipToken) bool) error {
	return each(v, LeadersID, LeaderCodec(), from(after), at, fn)
}

// Namespace returns a namespace.
func Namespace(v *projections.View, name string, at events.Position) (*controlv1.Namespace, bool, error) {
	return get(v, NamespacesID, NamespaceCodec(), nameKey(name), at)
}

// EachNamespace visits namespaces by name, those after a name.
func EachNamespace(v *projections.View, after string, at events.Position, fn func(*controlv1.Namespace) bool) error {
	return each(v, NamespacesID, NamespaceCodec(), from(after), at, fn)
}

// EachCandidate visits the candidates of a scope ("" is all), by scope and
// session.
func EachCandidate(v *projections.View, scope string, at events.Position, fn func(*eventsv1.CandidacyDeclared) bool) error {
	r := projections.Range{}
	if scope != "" {
		r.Prefix = nameKey(scope)
	}
	return each(v, CandidatesID, candidateCodec(), r, at, fn)
}

// Policy returns a policy.
func Policy(v *projections.View, kind, name string, at events.Position) (*eventsv1.PolicySet, bool, error) {
	return get(v, PoliciesID, policyCodec(), policyKey(kind, name), at)
}

// EachPolicy visits policies by kind and name.
func EachPolicy(v *projections.View, at events.Position, fn func(*eventsv1.PolicySet) bool) error {
	return each(v, PoliciesID, policyCodec(), projections.Range{}, at, fn)
}

// EachEra visits the eras of the log, oldest first.
func EachEra(v *projections.View, at events.Position, fn func(*eventsv1.EraStarted) bool) error {
	return each(v, ErasID, eraCodec(), projections.Range{}, at, fn)
}

// Changed is the last position that changed any row of a table that counts it
// (peers, leaders, namespaces, schedules): the ETag of a list.
func Changed(v *projections.View, table uint16) (events.Position, error) {
	p, err := v.Counter(table, counterChanged)
	return events.Position(p), err
}

// NamespaceCount is the number of namespaces.
func NamespaceCount(v *projections.View) (int64, error) { return v.Counter(NamespacesID, counterTotal) }

// PeerCounts is the number of peers by status, servers included.
func PeerCounts(v *projections.View) (map[controlv1.PeerStatus]int64, error) {
	counts := map[controlv1.PeerStatus]int64{}
	for number := range controlv1.PeerStatus_name {
		n, err := v.Counter(PeersID, statusCounter(controlv1.PeerStatus(number)))
		if err != nil {
			return nil, err
		}
		if n != 0 {
			counts[controlv1.PeerStatus(number)] = n
		}
	}
	return counts, nil
}

// PeerFilter says which peers a watch is about; its zero value means all.
type PeerFilter struct{ Role string }

// Match reports whether a peer passes; nil never does.
func (f PeerFilter) Match(p *controlv1.Peer) bool {
	return p != nil && (f.Role == "" || f.Role == p.Role)
}

// LeaderFilter says which scopes a watch is about; its zero value means all.
type LeaderFilter struct{ Scope string }

// Match reports whether a token passes; nil never does.
func (f LeaderFilter) Match(t *controlv1.LeadershipToken) bool {
	return t != nil && (f.Scope == "" || f.Scope == t.Scope)
}

// LogState returns what kept the log from taking every command at a position (0 is
// now). It is never nil without an error.
func LogState(v *projections.View, at events.Position) (*controlv1.LogState, error) {
	s, ok, err := get(v, LogStatesID, logStateCodec(), logStateKey(), at)
	if err == nil && !ok {
		s = &controlv1.LogState{}
	}
	return s, err
}
