package shardmap

import (
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// The rules of commands/shard for shards whose owner's session ends, on rows. A test
// over simulated logs holds the two equal.

// endsWith reports whether an ownership ends with its session.
func endsWith(r *row, cause eventsv1.SessionCloseCause) bool {
	isSticky := r.Ownership == controlv1.OwnershipMode_OWNERSHIP_MODE_STICKY
	switch cause {
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT:
		return true
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED:
		return !isSticky || r.MoveForced
	}
	switch {
	case isSticky:
		return r.MoveForced
	case r.Ownership == controlv1.OwnershipMode_OWNERSHIP_MODE_FENCED && r.MoveForced:
		return true
	}
	return r.OwnershipTtlMs == 0
}

// sessionClosed releases what ends with the session; the rest goes on without it.
func (a *applier) sessionClosed(e *eventsv1.SessionClosed) {
	all := func(string) bool { return true }
	a.owned(e.NodeId, int64(e.Session), all, func(r *row) {
		if endsWith(r, e.Cause) {
			unown(r)
			return
		}
		r.OwnerSilent = true
	})
	a.readerLeft(e.NodeId)
}

func (a *applier) ownershipExpired(e *eventsv1.OwnershipExpired) {
	in := make(map[string]bool, len(e.Namespaces))
	for _, name := range e.Namespaces {
		in[name] = true
	}
	a.owned(e.NodeId, int64(e.Session), func(namespace string) bool { return in[namespace] }, unown)
}

// owned changes the rows of some namespaces that a session owns.
func (a *applier) owned(node string, session int64, in func(namespace string) bool, fn func(*row)) {
	for _, pk := range a.rows.IndexKeys(ownerKey(node)) {
		projections.Update(a.rows, sealedCodec{last: &a.sealed}, pk, func(old *row) *row {
			if old == nil || old.OwnerNodeId != node || old.SessionId != session || !in(old.Namespace) {
				return old
			}
			r := clone(old)
			fn(r)
			return a.changed(pk, old, r)
		})
	}
}
