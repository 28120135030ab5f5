package member

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/events"
)

// localRuns is the scope under which a LocalMesh counts its runs in its store.
const localRuns = "local/runs"

// localRunBits leaves 2^32 grants to a run and 2^31 runs to a store.
const localRunBits = 32

// LocalMesh elects leaders inside one process, without servers: for tests, and
// for a program that is run alone for now. Terms and fences rise with each grant;
// with a store over restarts too. They are not those of a mesh with servers: a
// resource whose guard has seen the fences of one begins anew for the other.
//
// There is no lease, since a process does not outlive itself: a leadership ends
// when it is resigned, deposed, or its elector is closed, in each case before the
// next one is granted (L1, L4).
type LocalMesh struct {
	mu       sync.Mutex
	nodes    map[string]*LocalElector
	scopes   map[string]*localScope
	last     int64 // position of the last grant
	declared int64 // candidacies so far, for their order
	changes  []Leader
	dropped  int // changes before those
	changed  chan struct{}
}

// localScope is a scope that somebody leads or asked for.
type localScope struct {
	holder     *Leadership // nil while nobody leads
	node       string
	candidates []*localCandidate
}

type localCandidate struct {
	elector  *LocalElector
	priority int32
	order    int64
	won      chan *Leadership // takes one
}

// LocalElector is a node of a LocalMesh.
type LocalElector struct {
	mesh   *LocalMesh
	node   string
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
}

// NewLocalMesh makes a mesh. store, which may be nil, is where it counts its
// runs, so that fences rise over them.
func NewLocalMesh(store FenceStore) (*LocalMesh, error) {
	m := &LocalMesh{nodes: map[string]*LocalElector{}, scopes: map[string]*localScope{}, changed: make(chan struct{})}
	if store == nil {
		return m, nil
	}
	kept, err := store.Load()
	if err != nil {
		return nil, fmt.Errorf("member: load runs of the local mesh: %w", err)
	}
	run := kept[localRuns] + 1
	if run >= 1<<(63-localRunBits) {
		return nil, fmt.Errorf("member: run %d of the local mesh (allowed: fewer than %d)", run, 1<<(63-localRunBits))
	}
	if err := store.Save(map[string]int64{localRuns: run}); err != nil {
		return nil, fmt.Errorf("member: keep the run of the local mesh: %w", err)
	}
	m.last = run << localRunBits
	return m, nil
}

// Join adds a node; a name is taken by one at a time ([ErrNodeTaken]).
func (m *LocalMesh) Join(node string) (*LocalElector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nodes[node] != nil || node == "" {
		return nil, fmt.Errorf("%w: %q (allowed: a name that is free)", ErrNodeTaken, node)
	}
	e := &LocalElector{mesh: m, node: node}
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	m.nodes[node] = e
	return e, nil
}

// Depose ends the present leadership of a scope with [ErrDeposed], as an
// operator's resign does, and elects the next; false when nobody leads.
func (m *LocalMesh) Depose(scope string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scopes[scope]
	if s == nil || s.holder == nil {
		return false
	}
	m.endTerm(scope, s, ErrDeposed)
	return true
}

// Candidates is how many wait to lead a scope.
func (m *LocalMesh) Candidates(scope string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.scopes[scope]; s != nil {
		return len(s.candidates)
	}
	return 0
}

// Campaign implements [Elector].
func (e *LocalElector) Campaign(ctx context.Context, scope string, o CampaignOptions) (*Leadership, error) {
	if err := leadership.CheckScope(scope); err != nil {
		return nil, fmt.Errorf("member: campaign: %w", err)
	}
	if scope == events.GlobalScope {
		return nil, fmt.Errorf("member: campaign: scope %s belongs to servers (allowed: any other)", scope)
	}
	c, err := e.declare(ctx, scope, o.Priority)
	if err != nil {
		return nil, err
	}
	select {
	case l := <-c.won:
		return l, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.ctx.Done():
		err = ErrStopped
	}
	e.mesh.withdraw(scope, c)
	return nil, err
}

// declare makes a candidate, who has won already when nobody leads.
func (e *LocalElector) declare(ctx context.Context, scope string, priority int32) (*localCandidate, error) {
	m := e.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case e.ctx.Err() != nil:
		return nil, ErrStopped
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	s := m.scopes[scope]
	if s == nil {
		s = &localScope{}
		m.scopes[scope] = s
	}
	mine := func(c *localCandidate) bool { return c.elector == e }
	if s.holder != nil && s.node == e.node || slices.ContainsFunc(s.candidates, mine) {
		return nil, ErrCampaigning
	}
	m.declared++
	c := &localCandidate{elector: e, priority: priority, order: m.declared, won: make(chan *Leadership, 1)}
	s.candidates = append(s.candidates, c)
	if s.holder == nil {
		m.elect(scope, s)
	}
	return c, nil
}

// withdraw takes a candidacy back, or what it has won meanwhile.
func (m *LocalMesh) withdraw(scope string, c *localCandidate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.scopes[scope]
	select {
	case l := <-c.won:
		if s != nil && s.holder == l {
			m.endTerm(scope, s, ErrResigned)
		}
	default:
		if s != nil {
			s.candidates = slices.DeleteFunc(s.candidates, func(other *localCandidate) bool { return other == c })
			m.tidy(scope, s)
		}
	}
}

// elect grants the scope to the candidate with the highest priority, among
// equals the first; to nobody when there is none.
func (m *LocalMesh) elect(scope string, s *localScope) {
	if len(s.candidates) == 0 {
		m.tidy(scope, s)
		return
	}
	c := slices.MaxFunc(s.candidates, func(a, b *localCandidate) int {
		if a.priority != b.priority {
			return int(int64(a.priority) - int64(b.priority)) // 64 bits: it cannot overflow
		}
		return int(b.order - a.order)
	})
	s.candidates = slices.DeleteFunc(s.candidates, func(other *localCandidate) bool { return other == c })
	m.last++
	l := &Leadership{Scope: scope, Term: m.last, Fence: m.last, lapsed: func() bool { return false }}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.giveUp = func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if s.holder == l {
			m.endTerm(scope, s, ErrResigned)
		}
		return nil
	}
	s.holder, s.node = l, c.elector.node
	m.tell(Leader{Scope: scope, NodeID: s.node, Term: l.Term, Fence: l.Fence})
	c.won <- l
}

// endTerm ends a leadership here before the next is granted (L1).
func (m *LocalMesh) endTerm(scope string, s *localScope, cause error) {
	l := s.holder
	l.cancel(cause)
	s.holder, s.node = nil, ""
	m.tell(Leader{Scope: scope, Term: l.Term, Fence: l.Fence})
	m.elect(scope, s)
}

// tidy forgets a scope that nobody leads or wants.
func (m *LocalMesh) tidy(scope string, s *localScope) {
	if s.holder == nil && len(s.candidates) == 0 {
		delete(m.scopes, scope)
	}
}

// Close ends every leadership of the node with [ErrReleased] and every campaign
// with [ErrStopped]. Its name is free then.
func (e *LocalElector) Close() {
	m := e.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.ctx.Err() != nil {
		return
	}
	e.cancel(ErrStopped)
	delete(m.nodes, e.node)
	for _, scope := range slices.Sorted(maps.Keys(m.scopes)) {
		s := m.scopes[scope]
		s.candidates = slices.DeleteFunc(s.candidates, func(c *localCandidate) bool { return c.elector == e })
		if s.holder != nil && s.node == e.node {
			m.endTerm(scope, s, ErrReleased)
		}
		m.tidy(scope, s)
	}
}
