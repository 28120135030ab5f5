package member_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/member"
)

// mesh is a control plane of a few hundred lines: it answers members as
// PROTOCOL says, and does nothing of itself. A server can stop and start again;
// what is decided stays.
type mesh struct {
	controlv1.UnimplementedSessionServiceHandler
	shards  meshShards
	leaders meshLeaders
	peers   meshPeers

	mu      sync.Mutex
	changed chan struct{}

	ttl      time.Duration
	logID    []byte
	position int64
	silent   bool   // heartbeats get no answer
	closed   string // the reason why no session is opened
	opens    int
	asked    int // calls of Open
	// losing: an open takes effect, and its answer is lost.
	losing   bool
	answers  map[string]*controlv1.OpenSessionResponse // by idempotency key
	beats    int                                       // answered
	full     int
	sessions map[string]*meshSession
	rows     map[member.Ref]*controlv1.ShardRecord
	history  []*controlv1.ShardDiffNotification
	// refuseResume refuses to resume a watch of shards.
	refuseResume bool

	scopes map[string]*meshScope
	terms  []*controlv1.LeadershipEvent
	// addrs are the addresses that peers show.
	addrs map[string]string
}

type meshSession struct {
	id          int64
	incarnation int64
	secret      []byte
	heard       map[member.Ref]*controlv1.HeldShard
	digest      []byte
}

type meshScope struct {
	holder     *controlv1.LeadershipToken
	candidates []*controlv1.CampaignRequest
}

type meshShards struct {
	controlv1.UnimplementedShardControlServiceHandler
	m *mesh
}

type meshLeaders struct {
	controlv1.UnimplementedLeadershipControlServiceHandler
	m *mesh
}

func newMesh(ttl time.Duration) *mesh {
	m := &mesh{
		ttl: ttl, logID: []byte("log-1"), position: 100, changed: make(chan struct{}),
		sessions: map[string]*meshSession{}, answers: map[string]*controlv1.OpenSessionResponse{}, rows: map[member.Ref]*controlv1.ShardRecord{}, scopes: map[string]*meshScope{}, addrs: map[string]string{},
	}
	m.shards.m, m.leaders.m, m.peers.m = m, m, m
	return m
}

// do runs fn alone and wakes everybody.
func (m *mesh) do(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn()
	close(m.changed)
	m.changed = make(chan struct{})
}

// see runs fn alone.
func (m *mesh) see(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn()
}

// await waits until cond holds.
func (m *mesh) await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		m.mu.Lock()
		ok, changed := cond(), m.changed
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func refusal(code connect.Code, reason string) error {
	e := connect.NewError(code, fmt.Errorf("refused: %s", reason))
	if d, err := connect.NewErrorDetail(&controlv1.ErrorDetail{Reason: reason}); err == nil {
		e.AddDetail(d)
	}
	return e
}

func (m *mesh) Open(_ context.Context, r *connect.Request[controlv1.OpenSessionRequest]) (*connect.Response[controlv1.OpenSessionResponse], error) {
	var err error
	var res *controlv1.OpenSessionResponse
	m.do(func() {
		m.asked++
		res, err = m.open(r.Msg)
		if m.losing {
			res, err = nil, refusal(connect.CodeUnavailable, "outcome_unknown")
		}
	})
	return connect.NewResponse(res), err
}

func (m *mesh) open(q *controlv1.OpenSessionRequest) (*controlv1.OpenSessionResponse, error) {
	key := q.GetMutation().GetIdempotencyKey()
	if res := m.answers[key]; res != nil {
		return res, nil
	}
	if m.closed != "" {
		return nil, refusal(connect.CodeFailedPrecondition, m.closed)
	}
	if s := m.sessions[q.GetNodeId()]; s != nil {
		if !bytes.Equal(s.secret, q.GetSecret()) || q.GetIncarnation() <= s.incarnation {
			return nil, refusal(connect.CodeFailedPrecondition, "session_exists")
		}
		m.closeSession(q.GetNodeId())
	}
	m.opens++
	m.position++
	m.sessions[q.GetNodeId()] = &meshSession{
		id: m.position, secret: q.GetSecret(), incarnation: q.GetIncarnation(), heard: map[member.Ref]*controlv1.HeldShard{},
	}
	res := &controlv1.OpenSessionResponse{
		TtlMs: m.ttl.Milliseconds(), Log: "c1.1", SessionId: m.position, Position: m.position, LogId: m.logID,
	}
	m.answers[key] = res
	return res, nil
}

func (m *mesh) Heartbeat(_ context.Context, r *connect.Request[controlv1.HeartbeatRequest]) (*connect.Response[controlv1.HeartbeatResponse], error) {
	var err error
	res := &controlv1.HeartbeatResponse{TtlMs: m.ttl.Milliseconds()}
	m.do(func() {
		s := m.sessions[r.Msg.GetNodeId()]
		switch {
		case m.silent:
			err = refusal(connect.CodeUnavailable, "no_leader")
			return
		case s == nil || s.id != r.Msg.GetSessionId():
			err = refusal(connect.CodeFailedPrecondition, "session_not_found")
			return
		}
		m.beats++
		if r.Msg.GetFull() {
			m.full++
			s.digest = r.Msg.GetHeldDigest()
			clear(s.heard)
			for _, h := range r.Msg.GetHeld() {
				s.heard[member.Ref{Namespace: h.GetNamespace(), Shard: h.GetShard()}] = h
			}
		}
		res.WantFull = !bytes.Equal(s.digest, r.Msg.GetHeldDigest())
		res.Position = m.position
	})
	return connect.NewResponse(res), err
}

func (m *mesh) Leave(_ context.Context, r *connect.Request[controlv1.LeaveRequest]) (*connect.Response[controlv1.LeaveResponse], error) {
	var err error
	m.do(func() {
		if s := m.sessions[r.Msg.GetNodeId()]; s == nil || s.id != r.Msg.GetSessionId() {
			err = refusal(connect.CodeFailedPrecondition, "session_not_found")
			return
		}
		m.closeSession(r.Msg.GetNodeId())
	})
	return connect.NewResponse(&controlv1.LeaveResponse{Receipt: &controlv1.Receipt{Position: m.position}}), err
}

// closeSession ends a session with all that it holds.
func (m *mesh) closeSession(node string) {
	id := m.sessions[node].id
	delete(m.sessions, node)
	m.position++
	for _, ref := range slices.SortedFunc(maps.Keys(m.rows), func(a, b member.Ref) int { return cmp.Compare(a.Shard, b.Shard) }) {
		if m.rows[ref].GetSessionId() == id {
			m.change(ref, func(r *controlv1.ShardRecord) { r.OwnerNodeId, r.SessionId = "", 0 })
		}
	}
	for name, sc := range m.scopes {
		sc.candidates = slices.DeleteFunc(sc.candidates, func(c *controlv1.CampaignRequest) bool { return c.GetSessionId() == id })
		if sc.holder.GetSessionId() == id {
			m.endTerm(name, controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_LOST)
		}
	}
}

// change makes a decision of one event.
func (m *mesh) change(ref member.Ref, fn func(*controlv1.ShardRecord)) {
	m.position++
	old := m.rows[ref]
	next := &controlv1.ShardRecord{Namespace: ref.Namespace, ShardId: strconv.Itoa(int(ref.Shard)), Status: controlv1.ShardStatus_SHARD_STATUS_ACTIVE}
	if old != nil {
		next.OwnerNodeId, next.SessionId, next.FenceToken = old.GetOwnerNodeId(), old.GetSessionId(), old.GetFenceToken()
		next.MoveToNodeId, next.MovePhase, next.Version, next.ReaderNodeIds = old.GetMoveToNodeId(), old.GetMovePhase(), old.GetVersion(), old.GetReaderNodeIds()
	}
	next.Version++
	fn(next)
	m.rows[ref] = next
	m.history = append(m.history, &controlv1.ShardDiffNotification{Position: m.position, EventPosition: m.position, Current: next, Previous: old})
}

// remove deletes a row.
func (m *mesh) remove(ref member.Ref) {
	m.position++
	m.history = append(m.history, &controlv1.ShardDiffNotification{Position: m.position, EventPosition: m.position, Previous: m.rows[ref]})
	delete(m.rows, ref)
}

// assign gives a shard to the present session of a node and returns the fence.
func (m *mesh) assign(ref member.Ref, node string) (fence int64) {
	m.do(func() {
		m.change(ref, func(r *controlv1.ShardRecord) {
			r.OwnerNodeId, r.MoveToNodeId, r.MovePhase, r.SessionId, r.FenceToken = node, "", 0, 0, m.position
			if s := m.sessions[node]; s != nil {
				r.SessionId = s.id
			}
		})
		fence = m.position
	})
	return fence
}

func (m *mesh) drain(ref member.Ref, to string) {
	m.do(func() { m.change(ref, func(r *controlv1.ShardRecord) { r.MoveToNodeId = to }) })
}

// prepare begins a move in its first stage.
func (m *mesh) prepare(ref member.Ref, to string) {
	m.do(func() {
		m.change(ref, func(r *controlv1.ShardRecord) {
			r.MoveToNodeId, r.MovePhase = to, controlv1.MovePhase_MOVE_PHASE_PREPARING
		})
	})
}

// cancel ends a move otherwise.
func (m *mesh) cancel(ref member.Ref) {
	m.do(func() {
		m.change(ref, func(r *controlv1.ShardRecord) { r.MoveToNodeId, r.MovePhase = "", 0 })
	})
}

// awaitHeld waits until a node reports a shard in a state.
func (m *mesh) awaitHeld(t testing.TB, node string, ref member.Ref, fence int64, state controlv1.HoldState) {
	t.Helper()
	m.await(t, fmt.Sprintf("%s reports %v as %s", node, ref, state), func() bool {
		s := m.sessions[node]
		return s != nil && s.heard[ref].GetFenceToken() == fence && s.heard[ref].GetState() == state
	})
}

// bookmarkEvery is the time between bookmarks of a quiet watch.
const bookmarkEvery = 100 * time.Millisecond

// stream sends what fn yields, waiting for changes in between, and ends with
// ctx.
func (m *mesh) stream(ctx context.Context, next func() (send func() error)) error {
	tick := time.NewTicker(bookmarkEvery)
	defer tick.Stop()
	for {
		m.mu.Lock()
		send, changed := next(), m.changed
		m.mu.Unlock()
		if err := send(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}

func (s *meshShards) Watch(ctx context.Context, r *connect.Request[controlv1.ShardWatchRequest], out *connect.ServerStream[controlv1.ShardDiffNotification]) error {
	m, q := s.m, r.Msg
	match := func(rec *controlv1.ShardRecord) bool {
		return rec != nil && (q.GetNamespace() == "" || q.GetNamespace() == rec.GetNamespace()) &&
			(q.GetOwnerNodeId() == "" || q.GetOwnerNodeId() == rec.GetOwnerNodeId()) &&
			(q.GetInvolvesNodeId() == "" || q.GetInvolvesNodeId() == rec.GetOwnerNodeId() || q.GetInvolvesNodeId() == rec.GetMoveToNodeId() ||
				slices.Contains(rec.GetReaderNodeIds(), q.GetInvolvesNodeId()))
	}
	out.ResponseHeader().Set("X-Mesh-Log", "c1.1")
	at, first := q.GetResumeToken(), q.GetResumeToken() == 0
	refused := false
	m.see(func() { refused = m.refuseResume && !first })
	if refused {
		return refusal(connect.CodeOutOfRange, "log_mismatch")
	}
	return m.stream(ctx, func() func() error {
		var list []*controlv1.ShardDiffNotification
		if first {
			first = false
			for _, rec := range m.rows {
				if match(rec) {
					list = append(list, &controlv1.ShardDiffNotification{Current: rec})
				}
			}
		} else {
			for _, n := range m.history {
				if n.GetPosition() > at && (match(n.GetCurrent()) || match(n.GetPrevious())) {
					list = append(list, n)
				}
			}
		}
		at = max(at, m.position)
		list = append(list, &controlv1.ShardDiffNotification{Position: at})
		return sendAll(out, list)
	})
}

type meshPeers struct {
	controlv1.UnimplementedPeerControlServiceHandler
	m *mesh
}

// WatchPeers sends all peers anew with each change.
func (s *meshPeers) WatchPeers(ctx context.Context, _ *connect.Request[controlv1.WatchPeersRequest], out *connect.ServerStream[controlv1.PeerNotification]) error {
	first := true
	return s.m.stream(ctx, func() func() error {
		var list []*controlv1.PeerNotification
		at := s.m.position
		if first { // rows of a snapshot have no position
			first, at = false, 0
		}
		for id, addr := range s.m.addrs {
			list = append(list, &controlv1.PeerNotification{Position: at, EventPosition: at, Current: &controlv1.Peer{NodeId: id, Labels: map[string]string{"addr": addr}}})
		}
		return sendAll(out, append(list, &controlv1.PeerNotification{Position: s.m.position}))
	})
}

func sendAll[T any](out *connect.ServerStream[T], list []*T) func() error {
	return func() error {
		for _, n := range list {
			if err := out.Send(n); err != nil {
				return err
			}
		}
		return nil
	}
}

func (m *mesh) scope(name string) *meshScope {
	sc := m.scopes[name]
	if sc == nil {
		sc = &meshScope{}
		m.scopes[name] = sc
	}
	return sc
}

func (m *mesh) grant(name string, c *controlv1.CampaignRequest) *controlv1.LeadershipToken {
	m.position++
	t := &controlv1.LeadershipToken{
		Scope: name, LeaderId: c.GetNodeId(), SessionId: c.GetSessionId(), Term: m.position, FenceToken: m.position,
	}
	m.scope(name).holder = t
	m.terms = append(m.terms, &controlv1.LeadershipEvent{
		Kind: controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_ELECTED, Scope: name, LeaderId: c.GetNodeId(), Token: t, Position: m.position,
	})
	return t
}

// endTerm ends the leadership of a scope, and elects the next.
func (m *mesh) endTerm(name string, kind controlv1.LeadershipEventKind) {
	sc := m.scope(name)
	m.position++
	m.terms = append(m.terms, &controlv1.LeadershipEvent{
		Kind: kind, Scope: name, LeaderId: sc.holder.GetLeaderId(), Token: sc.holder, Position: m.position,
	})
	sc.holder = nil
	if len(sc.candidates) > 0 {
		c := sc.candidates[0]
		sc.candidates = sc.candidates[1:]
		m.grant(name, c)
	}
}

func (s *meshLeaders) Campaign(_ context.Context, r *connect.Request[controlv1.CampaignRequest]) (*connect.Response[controlv1.CampaignResponse], error) {
	m, q := s.m, r.Msg
	var err error
	res := &controlv1.CampaignResponse{}
	m.do(func() {
		if x := m.sessions[q.GetNodeId()]; x == nil || x.id != q.GetSessionId() {
			err = refusal(connect.CodeFailedPrecondition, "session_not_found")
			return
		}
		sc := m.scope(q.GetScope())
		switch {
		case sc.holder == nil:
			res.Token = m.grant(q.GetScope(), q)
		case sc.holder.GetSessionId() == q.GetSessionId():
			res.Token = sc.holder
		case !slices.ContainsFunc(sc.candidates, func(c *controlv1.CampaignRequest) bool { return c.GetSessionId() == q.GetSessionId() }):
			sc.candidates = append(sc.candidates, q)
			slices.SortStableFunc(sc.candidates, func(a, b *controlv1.CampaignRequest) int { return int(b.GetPriority() - a.GetPriority()) })
		}
		res.Receipt = &controlv1.Receipt{Position: m.position}
	})
	return connect.NewResponse(res), err
}

func (s *meshLeaders) Resign(_ context.Context, r *connect.Request[controlv1.ResignRequest]) (*connect.Response[controlv1.ResignResponse], error) {
	m, q := s.m, r.Msg
	var err error
	m.do(func() {
		sc := m.scope(q.GetScope())
		before := len(sc.candidates)
		switch {
		case sc.holder.GetSessionId() == q.GetSessionId() && (q.GetTerm() == 0 || q.GetTerm() == sc.holder.GetTerm()):
			m.endTerm(q.GetScope(), controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_STEPPED_DOWN)
			return
		case q.GetTerm() == 0:
			sc.candidates = slices.DeleteFunc(sc.candidates, func(c *controlv1.CampaignRequest) bool { return c.GetSessionId() == q.GetSessionId() })
		}
		if len(sc.candidates) == before {
			err = refusal(connect.CodeFailedPrecondition, "not_leader")
		}
	})
	return connect.NewResponse(&controlv1.ResignResponse{Receipt: &controlv1.Receipt{}}), err
}

func (s *meshLeaders) Subscribe(ctx context.Context, r *connect.Request[controlv1.LeadershipSubscribeRequest], out *connect.ServerStream[controlv1.LeadershipEvent]) error {
	m, q := s.m, r.Msg
	at, first := q.GetResumeToken(), q.GetResumeToken() == 0
	return m.stream(ctx, func() func() error {
		var list []*controlv1.LeadershipEvent
		if first {
			first = false
			for name, sc := range m.scopes {
				if sc.holder != nil && (q.GetScope() == "" || q.GetScope() == name) {
					list = append(list, &controlv1.LeadershipEvent{
						Kind: controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_SNAPSHOT, Scope: name, LeaderId: sc.holder.GetLeaderId(), Token: sc.holder,
					})
				}
			}
		} else {
			for _, e := range m.terms {
				if e.GetPosition() > at && (q.GetScope() == "" || q.GetScope() == e.GetScope()) {
					list = append(list, e)
				}
			}
		}
		at = max(at, m.position)
		list = append(list, &controlv1.LeadershipEvent{Kind: controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_OBSERVED, Position: at})
		return sendAll(out, list)
	})
}

// host is a server of a mesh at one address.
type host struct {
	t      testing.TB
	m      *mesh
	addr   string
	server *http.Server
	done   chan struct{}
}

func (m *mesh) host(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, m: m, addr: "127.0.0.1:0"}
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *host) url() string { return "http://" + h.addr }

func (h *host) start() {
	h.t.Helper()
	l, err := net.Listen("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.addr = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle(controlv1.NewSessionServiceHandler(h.m))
	mux.Handle(controlv1.NewShardControlServiceHandler(&h.m.shards))
	mux.Handle(controlv1.NewLeadershipControlServiceHandler(&h.m.leaders))
	mux.Handle(controlv1.NewPeerControlServiceHandler(&h.m.peers))
	h.server = &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	h.server.Protocols.SetHTTP1(true)
	h.server.Protocols.SetUnencryptedHTTP2(true)
	h.done = make(chan struct{})
	go func() {
		defer close(h.done)
		_ = h.server.Serve(l) // until it is closed
	}()
}

// stop refuses connections and cuts those that there are.
func (h *host) stop() {
	_ = h.server.Close()
	<-h.done
}
