package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The bad input of the issue, and some more: each has an error that names the
// field and what is allowed, and leaves no event.
func TestBadInputLeavesNoEvent(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	m.namespace("demo", 4)
	before := m.head()
	for _, c := range []struct {
		method, path, body string
		status             int
		code, field        string
		headers            []string
	}{
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"colour":"red"}`, 400, "invalid_field", "colour", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCont":8}`, 400, "invalid_field", "shardCont", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":"eight"}`, 400, "invalid_field", "shardCount", nil},
		{"POST", "/control/namespaces", `{"namespace":7,"shardCount":8}`, 400, "invalid_field", "namespace", nil},
		{"POST", "/control/namespaces", `{"namespace":"a b","shardCount":8}`, 400, "invalid_field", "namespace", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":0}`, 400, "invalid_field", "shardCount", nil},
		{"POST", "/control/namespaces", `{"namespace":"x"}`, 400, "invalid_field", "shardCount", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":10000000}`, 400, "invalid_field", "shardCount", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":-1}`, 400, "invalid_field", "shardCount", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":1e30}`, 400, "invalid_field", "shardCount", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"strategyId":"dice"}`, 400, "strategy_unknown", "strategyId", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"ownership":"rented"}`, 400, "invalid_field", "ownership", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"ownership":"sticky","ownershipTtlMs":30000}`, 400, "invalid_field", "ownershipTtlMs", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"ownershipTtlMs":100}`, 400, "invalid_field", "ownershipTtlMs", nil},
		{"POST", "/control/shards/demo/1:move", `{"toNodeId":"n1","force":"yes"}`, 400, "invalid_field", "force", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"ownershipTtlMs":9223372036854775807}`, 400, "invalid_field", "ownershipTtlMs", nil},
		{"POST", "/control/namespaces", `{"namespace":"demo","shardCount":8}`, 409, "namespace_exists", "", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"namespace":"y"}`, 400, "invalid_field", "namespace", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8} {}`, 400, "invalid_field", "body", nil},
		{"POST", "/control/namespaces", `{"namespace":"x",`, 400, "invalid_field", "body", nil},
		{"POST", "/control/namespaces", `[]`, 400, "invalid_field", "body", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"reason":"a\u0007b"}`, 400, "invalid_field", "reason", nil},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8,"reason":"` + strings.Repeat("r", MaxReason+1) + `"}`, 400, "invalid_field", "reason", nil},
		{"POST", "/control/namespaces", `{}`, 415, "media_type_unsupported", "", []string{"Content-Type", "text/plain"}},
		{"POST", "/control/namespaces", `{}`, 415, "media_type_unsupported", "", []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", "http://elsewhere.example"}},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8}`, 410, "log_mismatch", "", []string{headerLog, "c1.2"}},
		{"POST", "/control/namespaces", `{"namespace":"x","shardCount":8}`, 401, "identity_invalid", "X-Mesh-Actor", []string{"X-Mesh-Actor", "root"}},
		{"POST", "/control/namespaces?shards=8", `{"namespace":"x","shardCount":8}`, 400, "unknown_parameter", "shards", nil},
		{"PATCH", "/control/namespaces/demo", `{"shardCount":5}`, 412, "version_mismatch", "", []string{"If-Match", `"9"`}},
		{"PATCH", "/control/namespaces/demo", `{"shardCount":5}`, 400, "invalid_field", "If-Match", []string{"If-Match", `W/five`}},
		{"PATCH", "/control/namespaces/demo", `{"shardCount":3}`, 409, "shard_count_shrinks", "shardCount", nil},
		{"PATCH", "/control/namespaces/demo", `{"namespace":"other"}`, 400, "invalid_field", "namespace", nil},
		{"DELETE", "/control/namespaces/none", ``, 404, "namespace_not_found", "", nil},
		{"POST", "/control/peers/none:cordon", ``, 404, "node_not_found", "", nil},
		{"POST", "/control/peers/n1:uncordon", ``, 409, "invalid_transition", "lifecycle", nil},
		{"PATCH", "/control/peers/n1", `{"weight":-1}`, 400, "invalid_field", "weight", nil},
		{"POST", "/control/shards/demo/01:pause", ``, 400, "invalid_field", "shardIds[0]", nil},
		{"POST", "/control/shards/demo/x:move", `{"toNodeId":"n1"}`, 400, "invalid_field", "shardIds[0]", nil},
		{"POST", "/control/shards/demo/9:pause", ``, 404, "shard_not_found", "", nil},
		{"POST", "/control/shards/demo/0:move", `{"to":"n1"}`, 400, "invalid_field", "to", nil},
		{"POST", "/control/shards/demo/0:move", `{"toNodeId":"n9"}`, 404, "node_not_found", "", nil},
		{"GET", "/control/shards?asOf=0", ``, 400, "invalid_field", "asOf", nil},
		{"GET", "/control/shards?asOf=yesterday", ``, 400, "invalid_field", "asOf", nil},
		{"GET", "/control/shards?asOf=5m", ``, 400, "invalid_field", "asOf", nil},
		{"GET", "/control/shards?asOf=999999", ``, 400, "position_ahead", "asOf", nil},
		{"GET", "/control/shards?minPosition=0", ``, 400, "invalid_field", "minPosition", nil},
		{"GET", "/control/shards?minPosition=-3", ``, 400, "invalid_field", "minPosition", nil},
		{"GET", "/control/shards?pageSize=0", ``, 400, "invalid_field", "pageSize", nil},
		{"GET", "/control/shards?pageSize=1001", ``, 400, "invalid_field", "pageSize", nil},
		{"GET", "/control/shards?pageSize=", ``, 400, "invalid_field", "pageSize", nil},
		{"GET", "/control/shards?pageToken=%21", ``, 400, "invalid_field", "pageToken", nil},
		{"GET", "/control/shards?statsu=active", ``, 400, "unknown_parameter", "statsu", nil},
		{"GET", "/control/shards?status=sleepy", ``, 400, "invalid_field", "status", nil},
		{"GET", "/control/shards?owner=a&owner=b", ``, 400, "invalid_field", "owner", nil},
		{"GET", "/control/shards?consistency=strict", ``, 400, "invalid_field", "consistency", nil},
		{"GET", "/control/shards/demo/zero", ``, 400, "invalid_field", "shardId", nil},
		{"GET", "/control/shards/diff?fromVersion=0", ``, 400, "invalid_field", "fromVersion", nil},
		{"GET", "/control/shards/diff?fromVersion=3&toVersion=2", ``, 400, "invalid_field", "fromVersion", nil},
		{"GET", "/control/shards/diff?toVersion=999999", ``, 400, "position_ahead", "toVersion", nil},
		{"GET", "/control/status?asOf=999999", ``, 400, "position_ahead", "asOf", nil},
		{"GET", "/control/log?from=999999", ``, 400, "position_ahead", "from", nil},
		{"GET", "/control/log?asOf=999999", ``, 400, "position_ahead", "asOf", nil},
		{"POST", "/control/shards/simulate", `{}`, 400, "invalid_field", "namespace", nil},
		{"POST", "/control/shards/simulate", `{"namespace":"demo","nodes":[{"nodeId":"a"},{"nodeId":"a"}]}`, 400, "invalid_field", "nodes[1].nodeId", nil},
		{"POST", "/control/shards/simulate", `null`, 400, "invalid_field", "body", nil},
		{"GET", "/control/log/0", ``, 400, "invalid_field", "position", nil},
		{"GET", "/control/log/999999", ``, 400, "position_ahead", "position", nil},
		{"GET", "/control/log?from=999999", ``, 400, "position_ahead", "from", nil},
		{"GET", "/control/events/shards?resumeToken=abc", ``, 400, "invalid_field", "resumeToken", nil},
		{"GET", "/control/events/shards?resumeToken=0", ``, 400, "invalid_field", "resumeToken", nil},
		{"GET", "/control/events/shards?resumeToken=999999", ``, 400, "position_ahead", "resumeToken", nil},
		{"GET", "/control/events/peers", ``, 400, "invalid_field", "Last-Event-ID", []string{"Last-Event-ID", "x"}},
		{"GET", "/control/events/log?colour=red", ``, 400, "unknown_parameter", "colour", nil},
		{"GET", "/control/events/log", ``, 410, "log_mismatch", "", []string{headerLog, "other.1"}},
	} {
		r := m.rest(c.method, c.path, c.body, c.headers...)
		name := fmt.Sprintf("%s %s %.60s", c.method, c.path, c.body)
		if r.status != c.status || r.doc["code"] != c.code {
			t.Errorf("%s: %s, want %d %s", name, r, c.status, c.code)
			continue
		}
		if got := r.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type %s", name, got)
		}
		if c.field == "" {
			continue
		}
		first := r.doc["errors"].([]any)[0].(map[string]any)
		if first["field"] != c.field || first["allowed"] == "" {
			t.Errorf("%s: names %v, allowed %v, want %s: %s", name, first["field"], first["allowed"], c.field, r)
		}
		if !strings.Contains(fmt.Sprint(r.doc["detail"]), "allowed: ") {
			t.Errorf("%s: the detail alone does not say what is allowed: %s", name, r)
		}
	}
	if m.head() != before {
		t.Errorf("bad input left events: head %d after %d", m.head(), before)
	}
}

// A body of 100 MiB is refused after the limit, and the connection answers.
// A client sees why its body is refused, also one that sends all of it before
// it looks.
func TestHugeBody(t *testing.T) {
	m := newMesh(t)
	before := m.head()
	for name, client := range map[string]*http.Client{"h1": m.h1, "h2": m.h2} {
		huge := io.MultiReader(strings.NewReader(`{"namespace":"`), io.LimitReader(endless{}, 100<<20))
		res, err := client.Post(m.url+"/control/namespaces", "application/json", huge)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if want := `{"field":"body","reason":"is larger","allowed":"at most 4194304 bytes"}`; res.StatusCode != http.StatusRequestEntityTooLarge || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s: %d %s, want %s", name, res.StatusCode, body, want)
		}
	}
	if m.head() != before {
		t.Errorf("left events: head %d after %d", m.head(), before)
	}
	m.want(200, "GET", "/control/namespaces", "")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// A position that is not reached is waited for, and then 503.
func TestMinPositionAhead(t *testing.T) {
	m := newMesh(t)
	client := m.connect(m.h2)
	_, err := client.shards.List(deadline(t, 300), request(listAt(999)))
	wantError(t, err, "unavailable", "position_not_reached")
	if got := retryAfter(err); got == "" {
		t.Error("no Retry-After")
	}
}
