package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// clients are the generated clients of all services.
type clients struct {
	shards     controlv1.ShardControlServiceClient
	peers      controlv1.PeerControlServiceClient
	leaders    controlv1.LeadershipControlServiceClient
	namespaces controlv1.NamespaceControlServiceClient
	log        controlv1.LogServiceClient
	sessions   controlv1.SessionServiceClient
	commands   controlv1.CommandServiceClient
	system     controlv1.SystemServiceClient
}

func (m *mesh) connect(c *http.Client, opts ...connect.ClientOption) clients {
	opts = append([]connect.ClientOption{connect.WithAcceptCompression("gzip", nil, nil)}, opts...)
	return clients{
		shards:     controlv1.NewShardControlServiceClient(c, m.url, opts...),
		peers:      controlv1.NewPeerControlServiceClient(c, m.url, opts...),
		leaders:    controlv1.NewLeadershipControlServiceClient(c, m.url, opts...),
		namespaces: controlv1.NewNamespaceControlServiceClient(c, m.url, opts...),
		log:        controlv1.NewLogServiceClient(c, m.url, opts...),
		sessions:   controlv1.NewSessionServiceClient(c, m.url, opts...),
		commands:   controlv1.NewCommandServiceClient(c, m.url, opts...),
		system:     controlv1.NewSystemServiceClient(c, m.url, opts...),
	}
}

func deadline(t testing.TB, ms int) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ms)*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func request[Q any](q *Q) *connect.Request[Q] { return connect.NewRequest(q) }

func listAt(minPosition int64) *controlv1.ShardListRequest {
	return &controlv1.ShardListRequest{Read: &controlv1.ReadOptions{MinPosition: minPosition}}
}

// detailOf is the detail of an error; nil when it has none.
func detailOf(err error) *controlv1.ErrorDetail {
	var e *connect.Error
	if !errors.As(err, &e) {
		return nil
	}
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if detail, ok := v.(*controlv1.ErrorDetail); ok {
				return detail
			}
		}
	}
	return nil
}

func wantError(t testing.TB, err error, code, reason string) {
	t.Helper()
	if err == nil || connect.CodeOf(err).String() != code || detailOf(err).GetReason() != reason {
		t.Errorf("%v (reason %s), want %s %s", err, detailOf(err).GetReason(), code, reason)
	}
}

func retryAfter(err error) string {
	var e *connect.Error
	if errors.As(err, &e) {
		return e.Meta().Get(headerRetryAfter)
	}
	return ""
}

// must fails the test on an error.
func must[R any](t testing.TB) func(*connect.Response[R], error) *connect.Response[R] {
	return func(r *connect.Response[R], err error) *connect.Response[R] {
		t.Helper()
		if err != nil {
			t.Fatalf("%v (%v)", err, detailOf(err))
		}
		return r
	}
}

// Rows that are handed over as they are stored are the rows that are decoded
// and encoded, over every protocol and encoding.
func TestEveryProtocolAnswersAlike(t *testing.T) {
	m := newMesh(t)
	session := m.join("n1")
	m.namespace("demo", 5)
	m.assign("demo", "n1", session, 0, 1, 2)
	ctx := deadline(t, 10_000)
	q := &controlv1.ShardListRequest{Namespace: "demo", PageSize: 3}
	want := must[controlv1.ShardListResponse](t)(m.connect(m.h1, connect.WithProtoJSON()).shards.List(ctx, request(q)))
	if len(want.Msg.Shards) != 3 || want.Msg.NextCursor == "" || want.Header().Get(headerLog) != "c1.1" {
		t.Fatalf("JSON: %v %v", want.Msg, want.Header())
	}
	for name, c := range map[string]clients{
		"connect h1": m.connect(m.h1), "connect h2c": m.connect(m.h2),
		"grpc": m.connect(m.h2, connect.WithGRPC()), "grpc-web": m.connect(m.h1, connect.WithGRPCWeb()),
		"grpc json": m.connect(m.h2, connect.WithGRPC(), connect.WithProtoJSON()),
	} {
		got, err := c.shards.List(ctx, request(q))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !proto.Equal(want.Msg, got.Msg) {
			t.Errorf("%s: %v, want %v", name, got.Msg, want.Msg)
		}
		batch, err := c.shards.BatchGet(ctx, request(&controlv1.BatchGetShardsRequest{Id: 7, Refs: []*controlv1.ShardRef{
			{Namespace: "demo", ShardId: "1"}, {Namespace: "none", ShardId: "1"}, {Namespace: "demo", ShardId: "x"}, {Namespace: "demo", ShardId: "0"},
		}}))
		if err != nil {
			t.Errorf("%s: batch: %v", name, err)
			continue
		}
		rows := batch.Msg.Shards
		if batch.Msg.Id != 7 || len(rows) != 4 || !proto.Equal(rows[0], want.Msg.Shards[1]) || rows[1].ShardId != "" || rows[2].ShardId != "" || !proto.Equal(rows[3], want.Msg.Shards[0]) {
			t.Errorf("%s: batch %v", name, batch.Msg)
		}
		_, err = c.shards.Get(ctx, request(&controlv1.GetShardRequest{Namespace: "demo", ShardId: "9"}))
		wantError(t, err, "not_found", "shard_not_found")
	}
}

func TestLookupStream(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	s := m.connect(m.h2).shards.Lookup(deadline(t, 10_000))
	for i := range uint64(3) {
		err := s.Send(&controlv1.BatchGetShardsRequest{Id: i, MinPosition: int64(m.head()), Refs: []*controlv1.ShardRef{{Namespace: "demo", ShardId: "2"}}})
		if err != nil {
			t.Fatalf("send: %v", err)
		}
	}
	for i := range uint64(3) {
		got, err := s.Receive()
		if err != nil || got.Id != i || got.Shards[0].ShardId != "2" {
			t.Fatalf("answer %d: %v, %v", i, got, err)
		}
	}
	if err := errors.Join(s.CloseRequest(), s.CloseResponse()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestSessionsOverTheWire(t *testing.T) {
	m := newMesh(t)
	c, ctx := m.connect(m.h2), deadline(t, 10_000)
	open := &controlv1.OpenSessionRequest{NodeId: "n1", Role: "worker", Secret: secret("n1"), Incarnation: 1, Mutation: &controlv1.Mutation{
		IdempotencyKey: newKey(t),
	}}
	first := must[controlv1.OpenSessionResponse](t)(c.sessions.Open(ctx, request(open))).Msg
	again := must[controlv1.OpenSessionResponse](t)(c.sessions.Open(ctx, request(open))).Msg
	if !proto.Equal(first, again) || first.TtlMs != 5000 || first.Log != "c1.1" || len(first.LogId) != 16 {
		t.Errorf("opened %v, again %v", first, again)
	}
	beat := must[controlv1.HeartbeatResponse](t)(c.sessions.Heartbeat(ctx, request(&controlv1.HeartbeatRequest{
		NodeId: "n1", SessionId: first.SessionId, Secret: secret("n1"),
	}))).Msg
	if beat.TtlMs != 5000 || !beat.WantFull || beat.Position < first.SessionId {
		t.Errorf("heartbeat: %v", beat)
	}
	peer := must[controlv1.Peer](t)(c.peers.GetPeer(ctx, request(&controlv1.GetPeerRequest{NodeId: "n1"}))).Msg
	if peer.LastSeen == nil || peer.SessionId != first.SessionId {
		t.Errorf("peer: %v", peer)
	}
	past := must[controlv1.Peer](t)(c.peers.GetPeer(ctx, request(&controlv1.GetPeerRequest{NodeId: "n1", Read: &controlv1.ReadOptions{AsOfPosition: first.Position}}))).Msg
	if past.LastSeen != nil {
		t.Errorf("a live decoration in the past: %v", past)
	}
	event := must[controlv1.LogEvent](t)(c.log.GetEvent(ctx, request(&controlv1.GetEventRequest{Position: first.SessionId}))).Msg
	if event.Actor != "node/n1" || event.Type != "SessionOpened" {
		t.Errorf("event: %v", event)
	}
	_, err := c.sessions.Open(ctx, request(&controlv1.OpenSessionRequest{NodeId: "n1", Role: "worker", Secret: secret("other"), Incarnation: 1}))
	wantError(t, err, "failed_precondition", "session_exists")
	_, err = c.sessions.Open(ctx, request(&controlv1.OpenSessionRequest{NodeId: "n2", Role: "worker", Secret: []byte("short"), Incarnation: 1}))
	wantError(t, err, "invalid_argument", "invalid_field")
	campaign := &controlv1.CampaignRequest{Scope: "jobs", NodeId: "n1", SessionId: first.SessionId}
	won := must[controlv1.CampaignResponse](t)(c.leaders.Campaign(ctx, request(campaign))).Msg
	m.await(m.head())
	held := must[controlv1.CampaignResponse](t)(c.leaders.Campaign(ctx, request(campaign))).Msg
	if won.Token.GetTerm() != won.Receipt.Position || held.Token.GetTerm() != won.Token.GetTerm() {
		t.Errorf("campaign: %v, again %v", won, held)
	}
	leaders := must[controlv1.ListLeadersResponse](t)(c.leaders.ListLeaders(ctx, request(&controlv1.ListLeadersRequest{Scope: "jobs"}))).Msg
	got := leaders.Leaders[0]
	if got.ExpiresAt == nil {
		t.Error("no expires_at of a leader whose node was heard")
	}
	got.ExpiresAt = nil
	if !proto.Equal(got, won.Token) {
		t.Errorf("the token that was won is %v, listed is %v", won.Token, got)
	}
	must[controlv1.LeaveResponse](t)(c.sessions.Leave(ctx, request(&controlv1.LeaveRequest{NodeId: "n1", SessionId: first.SessionId, Secret: secret("n1")})))
}

func TestVerify(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	m.do(pause("demo", 1))
	c, ctx := m.connect(m.h2), deadline(t, 10_000)
	r := must[controlv1.VerifyResponse](t)(c.log.Verify(ctx, request(&controlv1.VerifyRequest{}))).Msg
	if !r.Ok || r.Position != int64(m.head()) || r.Events != int64(m.head()) {
		t.Errorf("a whole log: %v, head %d", r, m.head())
	}
	part := must[controlv1.VerifyResponse](t)(c.log.Verify(ctx, request(&controlv1.VerifyRequest{From: int64(m.head())}))).Msg
	if !part.Ok || part.HeadHash != r.HeadHash || part.Frames != 1 {
		t.Errorf("from the head: %v", part)
	}
}

// Tail is whole and in order, from any position, also inside of a decision.
func TestTail(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	c := m.connect(m.h2)
	for after := range int64(m.head()) + 1 {
		s, err := c.log.Tail(deadline(t, 10_000), request(&controlv1.TailRequest{After: &after, UntilHead: true}))
		if err != nil {
			t.Fatal(err)
		}
		want := after
		for s.Receive() {
			if want++; s.Msg().Position != want {
				t.Errorf("after %d: position %d, want %d", after, s.Msg().Position, want)
			}
		}
		if s.Err() != nil || want != int64(m.head()) {
			t.Errorf("after %d: ends at %d: %v", after, want, s.Err())
		}
	}
}

// A message over the limit is refused by every protocol, and leaves no event.
func TestHugeMessage(t *testing.T) {
	m := newMesh(t)
	before := m.head()
	q := &controlv1.CreateNamespaceRequest{Namespace: strings.Repeat("x", MaxBody), ShardCount: 1}
	for name, c := range map[string]clients{
		"connect": m.connect(m.h2), "grpc": m.connect(m.h2, connect.WithGRPC()), "grpc-web": m.connect(m.h1, connect.WithGRPCWeb()),
	} {
		_, err := c.namespaces.CreateNamespace(deadline(t, 10_000), request(q))
		if connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m.head() != before {
		t.Errorf("left events: head %d after %d", m.head(), before)
	}
}

// Reflection lists every service.
func TestReflection(t *testing.T) {
	m := newMesh(t)
	client := grpcreflect.NewClient(m.h2, m.url, connect.WithGRPC())
	stream := client.NewStream(deadline(t, 10_000))
	names, err := stream.ListServices()
	if err != nil || !slices.Contains(names, "omnirelay.mesh.control.v1.ShardControlService") || len(names) != 10 {
		t.Errorf("services %v, %v", names, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestUnknownFields: a client of a newer release is served, in JSON as in proto; a
// field that was written by hand and is none is refused.
func TestUnknownFields(t *testing.T) {
	m := newMesh(t)
	newer := &controlv1.ListPeersRequest{}
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 9000, protowire.VarintType), 1))
	must[controlv1.ListPeersResponse](t)(m.connect(m.h1).peers.ListPeers(t.Context(), request(newer)))
	const list = controlv1.PeerControlServiceListPeersProcedure
	m.want(200, "POST", list, `{"fieldOfANewerRelease":1}`, "Content-Type", "application/json")
	m.want(400, "POST", "/control/namespaces", `{"namespace":"demo","shardCount":4,"fieldOfANewerRelease":1}`)
	m.want(400, "GET", "/control/peers?fieldOfANewerRelease=1", "")
}
