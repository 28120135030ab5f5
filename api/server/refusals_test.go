package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/api/auth"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// kept is an audit of refused calls in memory.
type kept struct {
	mu  sync.Mutex
	all []*controlv1.Refusal
}

func (k *kept) Refused(r *controlv1.Refusal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r.Id = int64(len(k.all)) + 1
	k.all = append(k.all, r)
}

func (k *kept) List(_ context.Context, from int64, limit int, match func(*controlv1.Refusal) bool) (page []*controlv1.Refusal, next int64, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.all {
		if r.Id < from || !match(r) {
			continue
		}
		if len(page) == limit {
			return page, r.Id, nil
		}
		page = append(page, r)
	}
	return page, 0, nil
}

// took returns what was recorded since the last time, a line each.
func (k *kept) took() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	lines := []string{}
	for _, r := range k.all {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s",
			r.Actor, r.Command, r.Code, r.Reason, r.ChangeTicket, r.CorrelationId)), " "))
	}
	k.all = nil
	return lines
}

// What is refused before a decision leaves one record, whatever the protocol;
// what a decider refuses leaves none here, for the sequencer has it; and an
// answer is no refusal.
func TestRefusedCallsLeaveARecord(t *testing.T) {
	k := &kept{}
	m := newMesh(t, func(d *Deps) { d.Refusals = k })
	client := controlv1.NewPeerControlServiceClient(m.h2, m.url, connect.WithGRPC())
	grpc := func(req *controlv1.CordonPeerRequest) {
		if _, err := client.CordonPeer(t.Context(), connect.NewRequest(req)); err == nil {
			t.Errorf("%v was done", req)
		}
	}
	const ann = "X-Mesh-Actor"
	for _, c := range []struct {
		name string
		do   func()
		want []string
	}{
		{"a bad parameter of a read", func() { m.want(400, "GET", "/control/peers?nonsense=1", "", ann, "user/ann") },
			[]string{"user/ann PeerControlService/ListPeers unknown_parameter"}},
		{"no identity", func() { m.want(401, "GET", "/control/peers", "", ann, "ann") },
			[]string{"PeerControlService/ListPeers identity_invalid"}},
		{"another log", func() { m.want(410, "GET", "/control/peers", "", headerLog, "c9.1") },
			[]string{"local/tester PeerControlService/ListPeers log_mismatch"}},
		{"a bad field of a command", func() {
			m.want(400, "POST", "/control/namespaces", `{"namespace":"demo","shardCount":-1,"reason":"why","changeTicket":"T-1"}`, headerCorrelation, "trace-1")
		}, []string{"local/tester NamespaceControlService/CreateNamespace invalid_field why T-1 trace-1"}},
		{"a key that is none, over gRPC", func() {
			grpc(&controlv1.CordonPeerRequest{NodeId: "n1", Mutation: &controlv1.Mutation{Reason: "why", IdempotencyKey: "x"}})
		}, []string{"local/tester PeerControlService/CordonPeer invalid_field"}},
		{"a decider's no", func() {
			m.want(404, "POST", "/control/peers/n1:cordon", "")
			grpc(&controlv1.CordonPeerRequest{NodeId: "n1"})
		}, []string{}},
		{"a read of what is not there", func() { m.want(404, "GET", "/control/peers/n1", "") }, []string{}},
		{"commands in bulk", func() {
			bulk := controlv1.NewCommandServiceClient(m.h2, m.url)
			_, err := bulk.SubmitBatch(t.Context(), connect.NewRequest(&controlv1.CommandBatch{Commands: []*controlv1.Command{
				{}, {Command: &controlv1.Command_MoveShards{MoveShards: &controlv1.MoveShardsRequest{Namespace: "demo", ShardIds: []string{"x"}}}},
				{Command: &controlv1.Command_CordonPeer{CordonPeer: &controlv1.CordonPeerRequest{NodeId: "n1"}}},
			}}))
			if err != nil {
				t.Error(err)
			}
		}, []string{
			"local/tester CommandService/SubmitBatch invalid_field",
			"local/tester ShardControlService/Move invalid_field",
		}},
	} {
		c.do()
		got := k.took()
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: records (-want +got)\n%s", c.name, diff)
		}
	}
}

// A caller who lacks a scope is named with what it asked for.
func TestForbiddenLeavesARecord(t *testing.T) {
	k, d := &kept{}, &door{}
	m := newMesh(t, func(deps *Deps) { deps.Refusals, deps.Authenticator = k, d })
	d.id = auth.Identity{Actor: "user/reader", Rank: controlv1.Scope_SCOPE_READ}
	m.want(403, "POST", "/control/peers/n1:cordon", "")
	if diff := cmp.Diff([]string{"user/reader PeerControlService/CordonPeer scope_missing"}, k.took()); diff != "" {
		t.Error(diff)
	}
}

// The list is filtered and paged, beside the list of what was done.
func TestListRefusals(t *testing.T) {
	k := &kept{}
	m := newMesh(t, func(d *Deps) { d.Refusals = k })
	for i := range 5 {
		k.Refused(&controlv1.Refusal{Actor: fmt.Sprintf("user/u%d", i%2), Code: "node_cordoned", Command: "membership.Cordon", Count: 1})
	}
	list := func(query string) ([]float64, any) {
		r := m.want(200, "GET", "/control/audit?refused=true"+query, "")
		ids := []float64{}
		for _, item := range r.items() {
			ids = append(ids, item["id"].(float64))
		}
		return ids, r.doc["nextPageToken"]
	}
	for query, want := range map[string][]float64{
		"": {1, 2, 3, 4, 5}, "&actor=user/u1": {2, 4}, "&from=4": {4, 5}, "&code=other": {}, "&actor=user/u0&command=membership.Cordon": {1, 3, 5},
	} {
		if got, _ := list(query); !slices.Equal(got, want) {
			t.Errorf("%q: ids %v, want %v", query, got, want)
		}
	}
	if got, next := list("&pageSize=2"); !slices.Equal(got, []float64{1, 2}) || next != "3" {
		t.Errorf("first page %v, then %v", got, next)
	}
	if got, next := list("&pageSize=2&pageToken=5"); !slices.Equal(got, []float64{5}) || next != "" {
		t.Errorf("last page %v, then %v", got, next)
	}
	if r := m.want(200, "GET", "/control/audit?refused=false", ""); r.items()[0]["type"] != "EraStarted" {
		t.Errorf("refused=false: %s", r)
	}
	for _, query := range []string{"refused=maybe", "refused=", "refused=true&type=NodeJoined", "refused=true&from=0"} {
		m.want(400, "GET", "/control/audit?"+query, "")
	}
}

// A server that keeps no records says so.
func TestRefusalsNotKept(t *testing.T) {
	m := newMesh(t)
	if r := m.want(501, "GET", "/control/audit?refused=true", ""); r.doc["code"] != "refusals_not_kept" {
		t.Error(r)
	}
}
