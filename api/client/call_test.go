package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/client"
)

func cordonOK(context.Context, *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error) {
	return &controlv1.CordonPeerResponse{Receipt: &controlv1.Receipt{Position: 7}}, nil
}

// A dead server in the list is passed over, wherever it stands.
func TestMovesOverToAServerThatAnswers(t *testing.T) {
	live := serve(t, (&fake{cordon: cordonOK}).handler())
	for range 8 { // the first endpoint is chosen at random
		c := dial(t, nil, dead(t), live.URL, dead(t))
		receipt, err := c.Peers.Cordon(bounded(t), &controlv1.CordonPeerRequest{NodeId: "n1"})
		if err != nil || receipt.GetPosition() != 7 {
			t.Fatalf("got %v, %v", receipt, err)
		}
		if c.Endpoint() != live.URL {
			t.Errorf("the next call goes to %s, want %s", c.Endpoint(), live.URL)
		}
	}
}

func TestRetriesWithTheSameKey(t *testing.T) {
	var keys record
	f := &fake{cordon: func(_ context.Context, r *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error) {
		if keys.add(r.GetMutation().GetIdempotencyKey()) < 4 {
			return nil, refusal(connect.CodeUnavailable, "no leader", &controlv1.ErrorDetail{Reason: "no_leader", RetryAfterMs: 2})
		}
		return &controlv1.CordonPeerResponse{Receipt: &controlv1.Receipt{Position: 9}}, nil
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	req := &controlv1.CordonPeerRequest{NodeId: "n1", Mutation: &controlv1.Mutation{Reason: "test"}}
	if _, err := c.Peers.Cordon(bounded(t), req); err != nil {
		t.Fatal(err)
	}
	got := keys.all()
	if len(got) != 4 || got[0] != got[3] {
		t.Errorf("keys were %q, want four times the same", got)
	}
	if id, err := uuid.Parse(got[0]); err != nil || id.Version() != 7 {
		t.Errorf("key %q is no UUIDv7", got[0])
	}
	if req.GetMutation().GetIdempotencyKey() != "" {
		t.Error("the caller's request was changed")
	}
	if _, err := c.Peers.Cordon(bounded(t), req); err != nil {
		t.Fatal(err)
	}
	if again := keys.all(); again[4] == got[0] {
		t.Error("two calls had the same key")
	}
}

func TestAnswersAreNotRetried(t *testing.T) {
	var calls record
	logTime := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := &fake{cordon: func(_ context.Context, r *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error) {
		calls.add(r.GetNodeId())
		return nil, refusal(connect.CodeFailedPrecondition, "n1 is cordoned", &controlv1.ErrorDetail{
			Reason: "invalid_transition", CurrentVersion: 3, Position: 12, LogTime: timestamppb.New(logTime), CurrentEtag: `"3"`,
			Fields: []*controlv1.FieldViolation{{Field: "nodeId", Reason: "is cordoned", Allowed: "uncordon"}},
		})
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	_, err := c.Peers.Cordon(bounded(t), &controlv1.CordonPeerRequest{NodeId: "n1"})
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T", err)
	}
	want := &client.Error{
		Code: connect.CodeFailedPrecondition, Reason: "invalid_transition", Message: "n1 is cordoned", CurrentVersion: 3, CurrentETag: `"3"`, Position: 12, LogTime: logTime,
		Fields: []client.FieldError{{Field: "nodeId", Reason: "is cordoned", Allowed: "uncordon"}},
	}
	if diff := cmp.Diff(want, e, cmpopts.IgnoreUnexported(client.Error{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if want := "n1 is cordoned (allowed: uncordon)"; e.Error() != want {
		t.Errorf("text is %q, want %q", e.Error(), want)
	}
	e.Message, e.Fields[0].Allowed = "cannot uncordon n1", "cordon"
	if want := "cannot uncordon n1; nodeId: is cordoned (allowed: cordon)"; e.Error() != want {
		t.Errorf("a word of the message hides what is allowed: %q, want %q", e.Error(), want)
	}
	if len(calls.all()) != 1 {
		t.Errorf("asked %d times", len(calls.all()))
	}
}

func TestKeyIsDatedByTheLog(t *testing.T) {
	logTime := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	expired := refusal(connect.CodeFailedPrecondition, "key expired", &controlv1.ErrorDetail{Reason: "idempotency_expired", LogTime: timestamppb.New(logTime)})
	tests := []struct {
		name    string
		first   error
		key     string
		calls   int
		unknown bool
	}{
		{"own key", nil, "", 2, false},
		{"caller's key", nil, "01890a5d-ac96-774b-bcce-b302099a8057", 1, false},
		{"after an unknown outcome", refusal(connect.CodeUnavailable, "gone", &controlv1.ErrorDetail{}), "", 2, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var keys record
			f := &fake{cordon: func(_ context.Context, r *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error) {
				n := keys.add(r.GetMutation().GetIdempotencyKey())
				if n == 1 && test.first != nil {
					return nil, test.first
				}
				if id := uuid.MustParse(r.GetMutation().GetIdempotencyKey()); keyTime(id).Equal(logTime) {
					return cordonOK(t.Context(), r)
				}
				return nil, expired
			}}
			c := dial(t, nil, serve(t, f.handler()).URL)
			_, err := c.Peers.Cordon(bounded(t), &controlv1.CordonPeerRequest{Mutation: &controlv1.Mutation{IdempotencyKey: test.key}})
			if len(keys.all()) != test.calls {
				t.Errorf("keys %q, want %d", keys.all(), test.calls)
			}
			var e *client.Error
			if !errors.As(err, &e) {
				if test.name != "own key" {
					t.Errorf("got %v, want idempotency_expired", err)
				}
				return
			}
			if e.Reason != "idempotency_expired" || e.OutcomeUnknown != test.unknown {
				t.Errorf("got %+v, want outcome unknown: %t", e, test.unknown)
			}
			if test.unknown && e.IdempotencyKey != keys.all()[0] {
				t.Errorf("error has key %q, sent was %q", e.IdempotencyKey, keys.all()[0])
			}
		})
	}
}

func keyTime(id uuid.UUID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

func TestNobodyThere(t *testing.T) {
	c := dial(t, func(cfg *client.Config) { cfg.CallTimeout = 50 * time.Millisecond }, dead(t), dead(t))
	_, err := c.Peers.Cordon(context.Background(), &controlv1.CordonPeerRequest{NodeId: "n1"})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != connect.CodeUnavailable || !strings.Contains(e.Message, c.Endpoint()) {
		t.Fatalf("got %v, want unavailable, naming the endpoints", err)
	}
	if e.OutcomeUnknown {
		t.Error("nothing was sent, so the outcome is known")
	}
}

// A server that hangs uses up an attempt, not the call; and a mutation that it
// took may have happened.
func TestAServerThatHangs(t *testing.T) {
	block := make(chan struct{})
	hangs := serve(t, (&fake{cordon: func(ctx context.Context, _ *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error) {
		select {
		case <-block:
		case <-ctx.Done():
		}
		return nil, ctx.Err()
	}}).handler())
	t.Cleanup(func() { close(block) })
	short := func(cfg *client.Config) {
		cfg.AttemptTimeout, cfg.CallTimeout = 30*time.Millisecond, 200*time.Millisecond
	}

	live := serve(t, (&fake{cordon: cordonOK}).handler())
	c := dial(t, short, hangs.URL, live.URL)
	if _, err := c.Peers.Cordon(bounded(t), &controlv1.CordonPeerRequest{}); err != nil {
		t.Errorf("with another server: %v", err)
	}

	c = dial(t, short, hangs.URL)
	_, err := c.Peers.Cordon(context.Background(), &controlv1.CordonPeerRequest{})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != connect.CodeDeadlineExceeded || !e.OutcomeUnknown || e.IdempotencyKey == "" {
		t.Errorf("alone: got %+v, want deadline_exceeded with an unknown outcome and its key", e)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("errors.Is does not find context.DeadlineExceeded")
	}
}

func TestPages(t *testing.T) {
	f := &fake{listPeers: func(r *controlv1.ListPeersRequest) (*controlv1.ListPeersResponse, error) {
		switch r.GetPageToken() {
		case "":
			return &controlv1.ListPeersResponse{Peers: []*controlv1.Peer{{NodeId: "a"}, {NodeId: "b"}}, NextPageToken: "t", Position: 5}, nil
		case "t":
			return &controlv1.ListPeersResponse{Peers: []*controlv1.Peer{{NodeId: "c"}}, Position: 5}, nil
		}
		return nil, refusal(connect.CodeInvalidArgument, "bad token", &controlv1.ErrorDetail{})
	}, headers: func(h http.Header) {
		h.Set("X-Mesh-Log", "c1.1")
		h.Set("X-Mesh-Position", "5")
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	page, err := c.Peers.Collect(bounded(t), &controlv1.ListPeersRequest{})
	if err != nil || len(page.Items) != 3 || page.Position != 5 {
		t.Fatalf("got %+v, %v", page, err)
	}
	var got []string
	for peer, err := range c.Peers.All(bounded(t), &controlv1.ListPeersRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, peer.GetNodeId())
		if len(got) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Error(diff)
	}
	if log, position := c.LastPosition(); log != "c1.1" || position != 5 {
		t.Errorf("last position is %s %d", log, position)
	}
}

// Parts of a diff are joined; a server that does not get on ends it.
func TestCollectDiff(t *testing.T) {
	f := &fake{}
	f.shards.diff = func(r *controlv1.ShardDiffRequest) (*controlv1.ShardDiffResponse, error) {
		last := min(r.GetFromToken()+10, 25)
		return &controlv1.ShardDiffResponse{Diffs: []*controlv1.ShardDiffNotification{{Position: last}}, LastPosition: last}, nil
	}
	c := dial(t, nil, serve(t, f.handler()).URL)
	for to, want := range map[int64]int{25: 3, 99: 4} {
		res, err := c.Shards.CollectDiff(bounded(t), &controlv1.ShardDiffRequest{FromToken: 0, ToToken: to})
		if err != nil || len(res.GetDiffs()) != want || res.GetLastPosition() != 25 {
			t.Errorf("to %d: got %v, %v, want %d parts", to, res, err, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, endpoint := range []string{"", "127.0.0.1:8080", "ftp://a", "http://", "http://a/?x=1"} {
		if _, err := client.New(client.DefaultConfig(endpoint)); err == nil || !strings.Contains(err.Error(), "allowed: http://HOST:PORT") {
			t.Errorf("%q: got %v", endpoint, err)
		}
	}
	if _, err := client.New(client.DefaultConfig()); err == nil {
		t.Error("no endpoints: accepted")
	}
}

// A URL with a path too many, or of something else: what it said alone ("404
// Not Found") would look like an answer about the node.
func TestAnotherWebServer(t *testing.T) {
	s := serve(t, http.NotFoundHandler())
	c := dial(t, nil, s.URL+"/x")
	_, err := c.Peers.Get(bounded(t), &controlv1.GetPeerRequest{NodeId: "n1"})
	var e *client.Error
	if !errors.As(err, &e) || e.Code == connect.CodeNotFound || !strings.Contains(err.Error(), s.URL+"/x answers, but knows nothing of this call") {
		t.Errorf("a call: %v", err)
	}
	for _, err := range c.Log.Tail(bounded(t), &controlv1.TailRequest{After: new(int64)}) {
		if err == nil || !strings.Contains(err.Error(), "knows nothing of this call") {
			t.Errorf("a stream: %v", err)
		}
	}
}
