package v1json_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

func at(s string) *timestamppb.Timestamp {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return timestamppb.New(t)
}

// The bytes below are an interface: scripts read them.
func TestAppend(t *testing.T) {
	data, err := structpb.NewStruct(map[string]any{"b": []any{1.0, nil, true}, "a": map[string]any{"x": 1.5}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		in   proto.Message
		want string
	}{
		{"zero shard", &controlv1.ShardRecord{}, `{"namespace":"","shardId":"","strategyId":"","ownerNodeId":"","leaderId":"","capacityHint":0,"version":0,"checksum":"","changeTicket":"","fenceToken":0,"sessionId":0,"lastOwnerNodeId":"","moveToNodeId":"","moveHoldMs":0,"overlap":false,"ownerSilent":false,"ownershipTtlMs":0,"moveForced":false,"readerNodeIds":[],"deaths":0}`},
		{
			"shard",
			&controlv1.ShardRecord{
				Namespace: "demo", ShardId: "7", StrategyId: "optimal", OwnerNodeId: "n1", LeaderId: "n1", CapacityHint: 1,
				Status: controlv1.ShardStatus_SHARD_STATUS_ACTIVE, Version: 3, Checksum: "00ff", UpdatedAt: at("2026-01-02T03:04:05.06Z"), FenceToken: 9007199254740993,
			},
			`{"namespace":"demo","shardId":"7","strategyId":"optimal","ownerNodeId":"n1","leaderId":"n1","capacityHint":1,"status":"active","version":3,"checksum":"00ff","updatedAt":"2026-01-02T03:04:05.06Z","changeTicket":"","fenceToken":9007199254740993,"sessionId":0,"lastOwnerNodeId":"","moveToNodeId":"","moveHoldMs":0,"overlap":false,"ownerSilent":false,"ownershipTtlMs":0,"moveForced":false,"readerNodeIds":[],"deaths":0}`,
		},
		{
			"peer: sorted labels, no last seen",
			&controlv1.Peer{NodeId: "n1", Status: controlv1.PeerStatus_PEER_STATUS_ALIVE, Lifecycle: controlv1.PeerLifecycle_PEER_LIFECYCLE_CORDONED, Labels: map[string]string{"z": "1", "a": "<\"\n\x01>"}, Weight: 0.1},
			`{"nodeId":"n1","role":"","clusterId":"","region":"","zone":"","status":"alive","lifecycle":"cordoned","labels":{"a":"<\"\n\u0001>","z":"1"},"weight":0.1,"meshVersion":"","sessionId":0,"version":0,"http3Support":false,"maintenance":""}`,
		},
		{"empty list and map", &controlv1.ListPeersRequest{}, `{"role":"","clusterId":"","region":"","statuses":[],"lifecycles":[],"meshVersion":"","labels":[],"pageSize":0,"pageToken":"","orderBy":""}`},
		{"words with two parts", &controlv1.LeadershipEvent{Kind: controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_STEPPED_DOWN}, `{"kind":"stepped_down","scope":"","leaderId":"","reason":"","correlationId":"","position":0}`},
		{"optional zero is given", &controlv1.UpdateNamespaceRequest{ShardCount: proto.Int32(0)}, `{"namespace":"","shardCount":0}`},
		{"struct", &controlv1.LogEvent{Position: 1, Data: data}, `{"position":1,"epoch":0,"type":"","context":"","id":"","actor":"","reason":"","changeTicket":"","correlationId":"","causationId":"","data":{"a":{"x":1.5},"b":[1,null,true]},"decisionPosition":0,"summary":""}`},
		{"bytes", &controlv1.LeaveRequest{Secret: []byte{0, 255}}, `{"nodeId":"","sessionId":0,"secret":"AP8="}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := string(v1json.Marshal(test.in))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not valid JSON: %s", got)
			}
		})
	}
}

func TestAppendList(t *testing.T) {
	got := string(v1json.AppendList(nil, []*controlv1.ShardRef{{Namespace: "a", ShardId: "1"}, {Namespace: "b", ShardId: "2"}}, 42, "t"))
	want := `{"items":[{"namespace":"a","shardId":"1"},{"namespace":"b","shardId":"2"}],"position":42,"nextPageToken":"t"}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(v1json.AppendList[*controlv1.ShardRef](nil, nil, 0, "")); got != `{"items":[],"position":0,"nextPageToken":""}` {
		t.Errorf("empty list is %s", got)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	tests := []struct {
		name, body string
		field      string
		allowed    string
	}{
		{"unknown field", `{"shardCuont":1}`, "shardCuont", "namespace, shardCount, strategyId, ownership, eligibleRole, ownershipTtlMs, capacityHint, mutation, overlap, rules, readers, loadBound"},
		{"proto name", `{"shard_count":1}`, "shard_count", "namespace, shardCount, strategyId, ownership, eligibleRole, ownershipTtlMs, capacityHint, mutation, overlap, rules, readers, loadBound"},
		{"nested", `{"mutation":{"ifVersion":"3"}}`, "mutation.ifVersion", "a whole number from -9223372036854775808 to 9223372036854775807"},
		{"fraction", `{"shardCount":1.5}`, "shardCount", "a whole number from -2147483648 to 2147483647"},
		{"too big", `{"shardCount":2147483648}`, "shardCount", "a whole number from -2147483648 to 2147483647"},
		{"enum", `{"ownership":"leese"}`, "ownership", "lease, fenced, sticky"},
		{"enum number", `{"ownership":1}`, "ownership", "lease, fenced, sticky"},
		{"string", `{"namespace":7}`, "namespace", "a string"},
		{"bool", `{"mutation":{"dryRun":"yes"}}`, "mutation.dryRun", "true or false"},
		{"twice", `{"namespace":"a","namespace":"b"}`, "namespace", "once"},
		{"a list", `[]`, "", "an object"},
		{"trailing", `{} {}`, "", "one JSON object"},
		{"cut", `{"namespace":"a"`, "", "one JSON object"},
		{"not JSON", `{namespace:1}`, "", "one JSON object"},
		{"empty", ``, "", "one JSON object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := v1json.Unmarshal([]byte(test.body), &controlv1.CreateNamespaceRequest{})
			var e *v1json.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v, want *v1json.Error", err)
			}
			if e.Field != test.field || e.Allowed != test.allowed || e.Reason == "" {
				t.Errorf("got %+v, want field %q, allowed %q and a reason", e, test.field, test.allowed)
			}
		})
	}
}

func TestUnmarshalSuggests(t *testing.T) {
	err := v1json.Unmarshal([]byte(`{"shardCuont":1}`), &controlv1.CreateNamespaceRequest{})
	want := "field shardCuont: unknown field, did you mean shardCount? (allowed: namespace, shardCount, strategyId, ownership, eligibleRole, ownershipTtlMs, capacityHint, mutation, overlap, rules, readers, loadBound)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUnmarshalLists(t *testing.T) {
	err := v1json.Unmarshal([]byte(`{"shardIds":["1",2]}`), &controlv1.MoveShardsRequest{})
	var e *v1json.Error
	if !errors.As(err, &e) || e.Field != "shardIds[1]" {
		t.Errorf("got %v, want an error of shardIds[1]", err)
	}
}

// What is written is read back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String()
		in := &controlv1.Peer{
			NodeId: text.Draw(rt, "node"), Status: controlv1.PeerStatus(rapid.Int32Range(0, 4).Draw(rt, "status")),
			Weight: rapid.Float64().Draw(rt, "weight"), SessionId: rapid.Int64().Draw(rt, "session"), Http3Support: rapid.Bool().Draw(rt, "h3"),
			Labels: rapid.MapOf(text, text).Draw(rt, "labels"),
		}
		if rapid.Bool().Draw(rt, "seen") {
			in.LastSeen = &timestamppb.Timestamp{Seconds: rapid.Int64Range(0, 1<<37).Draw(rt, "s"), Nanos: rapid.Int32Range(0, 999999999).Draw(rt, "ns")}
		}
		out := &controlv1.Peer{}
		if err := v1json.Unmarshal(v1json.Marshal(in), out); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(in, out, protocmp.Transform()); diff != "" {
			rt.Errorf("(-in +out)\n%s", diff)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"position":1,"time":"2026-01-02T03:04:05Z","data":{"a":[{},null,1e300]}}`))
	f.Add([]byte(`{"data":{"a":[[[[[]]]]]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		first := &controlv1.LogEvent{}
		if err := v1json.Unmarshal(body, first); err != nil {
			return
		}
		second := &controlv1.LogEvent{}
		if err := v1json.Unmarshal(v1json.Marshal(first), second); err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if diff := cmp.Diff(first, second, protocmp.Transform()); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
}

func BenchmarkAppendShard(b *testing.B) {
	row := &controlv1.ShardRecord{Namespace: "demo", ShardId: "7", StrategyId: "optimal", OwnerNodeId: "n1", LeaderId: "n1", Status: controlv1.ShardStatus_SHARD_STATUS_ACTIVE, Version: 3, Checksum: "00ff", UpdatedAt: at("2026-01-02T03:04:05.06Z")}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = v1json.Append(buf[:0], row)
	}
}
