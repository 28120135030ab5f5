package cli_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// mesh is a server with a state that never changes: what it is asked is what
// the tests look at.
type mesh struct {
	controlv1.UnimplementedPeerControlServiceHandler
	controlv1.UnimplementedLeadershipControlServiceHandler
	controlv1.UnimplementedNamespaceControlServiceHandler
	controlv1.UnimplementedLogServiceHandler
	controlv1.UnimplementedSystemServiceHandler
	shards meshShards
}

type meshShards struct {
	controlv1.UnimplementedShardControlServiceHandler
}

func stamp(s string) *timestamppb.Timestamp {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return timestamppb.New(t)
}

// refuse is an error as the server makes it.
func refuse(code connect.Code, reason, message string, fields ...*controlv1.FieldViolation) error {
	e := connect.NewError(code, errors.New(message))
	d, err := connect.NewErrorDetail(&controlv1.ErrorDetail{Reason: reason, Fields: fields})
	if err != nil {
		panic(err)
	}
	e.AddDetail(d)
	return e
}

func reply[R any](r *R) (*connect.Response[R], error) {
	res := connect.NewResponse(r)
	res.Header().Set("X-Mesh-Log", "c1.1")
	res.Header().Set("X-Mesh-Position", "42")
	return res, nil
}

func receipt(m *controlv1.Mutation, event string) *controlv1.Receipt {
	r := &controlv1.Receipt{Position: 43, Events: []string{event}, DryRun: m.GetDryRun(), Time: stamp("2026-01-02T03:04:05Z")}
	if r.DryRun {
		r.Position = 42
	}
	return r
}

func peers() []*controlv1.Peer {
	return []*controlv1.Peer{
		{NodeId: "n1", Role: "worker", ClusterId: "c1", Region: "eu", Zone: "a", Status: controlv1.PeerStatus_PEER_STATUS_ALIVE, Lifecycle: controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE, Labels: map[string]string{"disk": "ssd"}, Weight: 1, SessionId: 7, Version: 2, LastSeen: stamp("2026-01-02T03:04:05Z")},
		{NodeId: "n2", Role: "worker", ClusterId: "c1", Status: controlv1.PeerStatus_PEER_STATUS_FAILED, Lifecycle: controlv1.PeerLifecycle_PEER_LIFECYCLE_CORDONED, Weight: 1, Version: 5},
	}
}

func (m *mesh) ListPeers(_ context.Context, r *connect.Request[controlv1.ListPeersRequest]) (*connect.Response[controlv1.ListPeersResponse], error) {
	rows := slices.DeleteFunc(peers(), func(p *controlv1.Peer) bool {
		return len(r.Msg.GetStatuses()) > 0 && !slices.Contains(r.Msg.GetStatuses(), p.GetStatus())
	})
	// One row a page: the CLI must follow.
	at := 0
	if r.Msg.GetPageToken() == "2" {
		at = 1
	}
	res := &controlv1.ListPeersResponse{Position: 42}
	if r.Msg.GetRead().GetAsOfPosition() > 0 {
		res.Position = r.Msg.GetRead().GetAsOfPosition()
	}
	if at < len(rows) {
		res.Peers = rows[at : at+1]
		if at+1 < len(rows) {
			res.NextPageToken = "2"
		}
	}
	return reply(res)
}

func (m *mesh) GetPeer(_ context.Context, r *connect.Request[controlv1.GetPeerRequest]) (*connect.Response[controlv1.Peer], error) {
	for _, p := range peers() {
		if p.GetNodeId() == r.Msg.GetNodeId() {
			return reply(p)
		}
	}
	return nil, refuse(connect.CodeNotFound, "peer_not_found", `peer "`+r.Msg.GetNodeId()+`" does not exist`)
}

func (m *mesh) WatchPeers(_ context.Context, r *connect.Request[controlv1.WatchPeersRequest], s *connect.ServerStream[controlv1.PeerNotification]) error {
	for _, p := range peers() {
		if err := s.Send(&controlv1.PeerNotification{Current: p}); err != nil {
			return err
		}
	}
	if err := s.Send(&controlv1.PeerNotification{Position: 42}); err != nil {
		return err
	}
	after := peers()[1]
	after.Lifecycle = controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE
	if err := s.Send(&controlv1.PeerNotification{Position: 43, EventPosition: 43, Event: "NodeUncordoned", Current: after, Previous: peers()[1], Reason: "repaired"}); err != nil {
		return err
	}
	// A feed has no end of its own; this one does.
	return refuse(connect.CodeDataLoss, "over", "the feed is over")
}

func (m *mesh) CordonPeer(_ context.Context, r *connect.Request[controlv1.CordonPeerRequest]) (*connect.Response[controlv1.CordonPeerResponse], error) {
	switch {
	case r.Header().Get("Authorization") == "Bearer reader":
		return nil, refuse(connect.CodePermissionDenied, "scope_missing", "CordonPeer needs the scope mesh.operate, which user/reader does not have")
	case r.Msg.GetNodeId() == "n2":
		return nil, refuse(connect.CodeFailedPrecondition, "invalid_transition", "n2 is cordoned", &controlv1.FieldViolation{Field: "nodeId", Reason: "n2 is cordoned", Allowed: "uncordon"})
	case r.Msg.GetMutation().GetIfVersion() > 2:
		return nil, refuse(connect.CodeAborted, "version_mismatch", "n1 has version 2")
	case r.Msg.GetNodeId() == "busy":
		return nil, refuse(connect.CodeUnavailable, "no_leader", "there is no control leader")
	}
	return reply(&controlv1.CordonPeerResponse{Receipt: receipt(r.Msg.GetMutation(), "NodeCordoned")})
}

func (m *mesh) ListLeaders(context.Context, *connect.Request[controlv1.ListLeadersRequest]) (*connect.Response[controlv1.ListLeadersResponse], error) {
	return reply(&controlv1.ListLeadersResponse{Position: 42, Leaders: []*controlv1.LeadershipToken{
		{Scope: "global-control", ScopeKind: "global", LeaderId: "s1", Term: 3, FenceToken: 3, IssuedAt: stamp("2026-01-02T03:04:05Z"), Version: 3},
	}})
}

func (m *mesh) ListNamespaces(context.Context, *connect.Request[controlv1.ListNamespacesRequest]) (*connect.Response[controlv1.ListNamespacesResponse], error) {
	return reply(&controlv1.ListNamespacesResponse{Position: 42})
}

func (m *mesh) CreateNamespace(_ context.Context, r *connect.Request[controlv1.CreateNamespaceRequest]) (*connect.Response[controlv1.CreateNamespaceResponse], error) {
	if strings.Contains(r.Msg.GetNamespace(), " ") {
		return nil, refuse(connect.CodeInvalidArgument, "invalid_field", "namespace has a space; allowed: a-z, 0-9 and -", &controlv1.FieldViolation{Field: "namespace", Reason: "has a space", Allowed: "a-z, 0-9 and -"})
	}
	return reply(&controlv1.CreateNamespaceResponse{Receipt: receipt(r.Msg.GetMutation(), "NamespaceCreated")})
}

func (m *mesh) DeleteNamespace(_ context.Context, r *connect.Request[controlv1.DeleteNamespaceRequest]) (*connect.Response[controlv1.DeleteNamespaceResponse], error) {
	return reply(&controlv1.DeleteNamespaceResponse{Receipt: receipt(r.Msg.GetMutation(), "NamespaceDeleting")})
}

func (m *meshShards) List(_ context.Context, r *connect.Request[controlv1.ShardListRequest]) (*connect.Response[controlv1.ShardListResponse], error) {
	return reply(&controlv1.ShardListResponse{Version: 42, Shards: []*controlv1.ShardRecord{shard("n1", 3)}})
}

func shard(owner string, version int64) *controlv1.ShardRecord {
	return &controlv1.ShardRecord{Namespace: "demo", ShardId: "0", StrategyId: "optimal", OwnerNodeId: owner, LeaderId: owner, CapacityHint: 1, Status: controlv1.ShardStatus_SHARD_STATUS_ACTIVE, Version: version, Checksum: "0011", UpdatedAt: stamp("2026-01-02T03:04:05Z"), FenceToken: 30, SessionId: 7}
}

func (m *meshShards) Diff(_ context.Context, r *connect.Request[controlv1.ShardDiffRequest]) (*connect.Response[controlv1.ShardDiffResponse], error) {
	res := &controlv1.ShardDiffResponse{LastPosition: r.Msg.GetToToken()}
	if r.Msg.GetFromToken() < 30 {
		res.Diffs = []*controlv1.ShardDiffNotification{{Position: 30, EventPosition: 30, Previous: shard("", 2), Current: shard("n1", 3), History: &controlv1.ShardHistory{Actor: "node/s1", Event: "ShardsAssigned", Time: stamp("2026-01-02T03:04:05Z")}}}
	}
	return reply(res)
}

func (m *meshShards) Move(_ context.Context, r *connect.Request[controlv1.MoveShardsRequest]) (*connect.Response[controlv1.MoveShardsResponse], error) {
	return reply(&controlv1.MoveShardsResponse{Receipt: receipt(r.Msg.GetMutation(), "ShardMoveStarted")})
}

func event(position int64) *controlv1.LogEvent {
	data, err := structpb.NewStruct(map[string]any{"nodeId": "n1"})
	if err != nil {
		panic(err)
	}
	return &controlv1.LogEvent{Position: position, Time: stamp("2026-01-02T03:04:05Z"), Type: "NodeCordoned", Context: "membership", Id: "n1", Actor: "local/root", Reason: "disk", CorrelationId: "c", Data: data, DecisionPosition: position, Summary: "n1 gets no new shards"}
}

func (m *mesh) Tail(ctx context.Context, r *connect.Request[controlv1.TailRequest], s *connect.ServerStream[controlv1.LogEvent]) error {
	for p := r.Msg.GetAfter() + 1; p <= 42; p++ {
		if err := s.Send(event(p)); err != nil {
			return err
		}
	}
	if !r.Msg.GetUntilHead() {
		if r.Msg.GetActor() == "quiet" {
			<-ctx.Done()
			return ctx.Err()
		}
		return refuse(connect.CodeDataLoss, "over", "the feed is over")
	}
	return nil
}

func (m *mesh) ListEvents(_ context.Context, r *connect.Request[controlv1.ListEventsRequest]) (*connect.Response[controlv1.ListEventsResponse], error) {
	if r.Msg.GetActor() == "nobody" {
		return reply(&controlv1.ListEventsResponse{Position: 42})
	}
	if past := r.Msg.GetRead().GetAsOfPosition(); past != 0 {
		res := &controlv1.ListEventsResponse{Position: past}
		for p := max(r.Msg.GetFrom(), past-1); p <= past; p++ {
			res.Events = append(res.Events, event(p))
		}
		return reply(res)
	}
	return reply(&controlv1.ListEventsResponse{Position: 42, Events: []*controlv1.LogEvent{event(41)}})
}

// ListRefusals has one refusal a page: the CLI must follow.
func (m *mesh) ListRefusals(_ context.Context, r *connect.Request[controlv1.ListRefusalsRequest]) (*connect.Response[controlv1.ListRefusalsResponse], error) {
	all := []*controlv1.Refusal{
		{Id: 1024, Time: stamp("2026-01-02T03:04:05Z"), Position: 41, Actor: "user/ann", Command: "membership.Cordon", Code: "invalid_transition", Message: "n2 is cordoned", Reason: "disk", ChangeTicket: "T-1", CorrelationId: "c", Count: 1},
		{Id: 2048, Time: stamp("2026-01-02T03:04:06Z"), Position: 41, Actor: "user/bob", Code: "overloaded", Count: 70},
	}
	all = slices.DeleteFunc(all, func(one *controlv1.Refusal) bool {
		return one.Id < r.Msg.GetFrom() || r.Msg.GetCode() != "" && r.Msg.GetCode() != one.Code
	})
	if len(all) > 1 {
		return reply(&controlv1.ListRefusalsResponse{Position: 42, Refusals: all[:1], NextFrom: all[1].Id})
	}
	return reply(&controlv1.ListRefusalsResponse{Position: 42, Refusals: all})
}

func (m *mesh) GetEvent(_ context.Context, r *connect.Request[controlv1.GetEventRequest]) (*connect.Response[controlv1.LogEvent], error) {
	return reply(event(r.Msg.GetPosition()))
}

func (m *mesh) Verify(_ context.Context, r *connect.Request[controlv1.VerifyRequest]) (*connect.Response[controlv1.VerifyResponse], error) {
	if r.Msg.GetFrom() == 13 {
		return reply(&controlv1.VerifyResponse{Frames: 3, Events: 20, Position: 20, Problem: "a byte has changed", ProblemPosition: 21})
	}
	return reply(&controlv1.VerifyResponse{Ok: true, Frames: 9, Events: 42, Position: 42, HeadHash: "abcd"})
}

func (m *mesh) GetStatus(ctx context.Context, r *connect.Request[controlv1.GetStatusRequest]) (*connect.Response[controlv1.MeshStatus], error) {
	if r.Msg.GetRead().GetMinPosition() > 42 {
		<-ctx.Done()
		return nil, refuse(connect.CodeUnavailable, "not_caught_up", "position 42, not yet 99")
	}
	return reply(&controlv1.MeshStatus{
		ClusterId: "c1", Leader: "s1", Ready: true, Position: 42, Namespaces: 1, Log: "c1.1",
		LogState: &controlv1.LogState{Sealed: r.Msg.GetRead().GetAsOfPosition(), Settling: r.Msg.GetRead().GetAsOfPosition() > 0},
		Servers:  []*controlv1.ServerStatus{{Name: "s1", Role: "leader", Ready: true, Position: 42, HeadHash: "abcd"}},
		Shards:   &controlv1.ShardCounts{Total: 64, Unowned: 1}, Peers: &controlv1.PeerCounts{Alive: 3, Failed: 1},
	})
}

// serve starts the mesh.
func serve(t testing.TB) string {
	t.Helper()
	m := &mesh{}
	mux := http.NewServeMux()
	mux.Handle(controlv1.NewPeerControlServiceHandler(m))
	mux.Handle(controlv1.NewLeadershipControlServiceHandler(m))
	mux.Handle(controlv1.NewNamespaceControlServiceHandler(m))
	mux.Handle(controlv1.NewShardControlServiceHandler(&m.shards))
	mux.Handle(controlv1.NewLogServiceHandler(m))
	mux.Handle(controlv1.NewSystemServiceHandler(m))
	s := httptest.NewUnstartedServer(mux)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}
