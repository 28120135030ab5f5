package member

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
)

// maxLocalChanges bounds the changes that observers can be behind.
const maxLocalChanges = 4096

// errObserverBehind: an observer was too slow.
var errObserverBehind = errors.New("member: the observer is too far behind (allowed: 4096 changes)")

// tell notes a change for observers.
func (m *LocalMesh) tell(l Leader) {
	m.changes = append(m.changes, l)
	if over := len(m.changes) - maxLocalChanges; over > 0 {
		m.changes = slices.Delete(m.changes, 0, over)
		m.dropped += over
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// Observe implements [Elector].
func (e *LocalElector) Observe(ctx context.Context, scope string) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		list, at, changed := e.mesh.held()
		for {
			for _, l := range list {
				if (scope == "" || l.Scope == scope) && !yield(l, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-e.ctx.Done():
				yield(Leader{}, ErrStopped)
				return
			case <-ctx.Done():
				yield(Leader{}, context.Cause(ctx))
				return
			}
			var err error
			if list, at, changed, err = e.mesh.since(at); err != nil {
				yield(Leader{}, err)
				return
			}
		}
	}
}

// held is who leads now, the number of changes until then, and what is closed
// with the next.
func (m *LocalMesh) held() (list []Leader, at int, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, scope := range slices.Sorted(maps.Keys(m.scopes)) {
		if s := m.scopes[scope]; s.holder != nil {
			list = append(list, Leader{Scope: scope, NodeID: s.node, Term: s.holder.Term, Fence: s.holder.Fence})
		}
	}
	return list, m.dropped + len(m.changes), m.changed
}

// since are the changes after a number of them.
func (m *LocalMesh) since(at int) (list []Leader, next int, changed <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at < m.dropped {
		return nil, 0, nil, errObserverBehind
	}
	return slices.Clone(m.changes[at-m.dropped:]), m.dropped + len(m.changes), m.changed, nil
}
