package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRESTReads(t *testing.T) {
	m := newMesh(t)
	session := m.join("n1")
	m.namespace("demo", 4)
	m.assign("demo", "n1", session, 0, 1)

	r := m.want(200, "GET", "/control/shards?namespace=demo", "")
	if len(r.items()) != 4 || r.items()[0]["ownerNodeId"] != "n1" || r.items()[3]["ownerNodeId"] != "" {
		t.Fatalf("shards: %s", r)
	}
	if got := r.header.Get(headerLog); got != "c1.1" {
		t.Errorf("%s is %q", headerLog, got)
	}
	if got, want := r.header.Get(headerPosition), fmt.Sprint(m.head()); got != want || fmt.Sprint(r.doc["position"]) != want {
		t.Errorf("position %q and %v, want %s", got, r.doc["position"], want)
	}
	for path, want := range map[string]string{
		"/control/shards/demo/1":           `"shardId":"1"`,
		"/omnirelay/control/shards/demo/1": `"shardId":"1"`,
		"/control/shards/demo/1/history":   `"event":"ShardsAssigned"`,
		"/control/peers":                   `"nodeId":"n1"`,
		"/control/peers/n1":                `"status":"alive"`,
		"/control/peers?role=server&status=alive,left&status=failed": `"nodeId":"s1"`,
		"/control/leaders":                       `"scope":"global-control"`,
		"/control/namespaces":                    `"namespace":"demo"`,
		"/control/namespaces/demo":               `"ownership":"lease"`,
		"/control/versions":                      `"meshVersion":"test"`,
		"/control/status":                        `"unowned":2`,
		"/control/log?limit=1":                   `"type":"EraStarted"`,
		"/control/log?asOf=1":                    `"position":1,"nextPageToken":""`,
		"/control/log/1":                         `"summary":"era 1 of cluster c1 started"`,
		"/control/audit?actor=user/test":         `"type":"NamespaceCreated"`,
		"/control/audit?id=demo":                 `"shards":"0-1"`,
		"/control/shards/diff?fromVersion=1":     `"lastPosition":`,
		"/control/shards?owner=n1&status=active": `"nextPageToken":""`,
		"/healthz":                               "ok",
		"/readyz":                                "ok",
	} {
		if r := m.want(200, "GET", path, ""); !strings.Contains(r.body, want) {
			t.Errorf("%s: no %s in %s", path, want, r)
		}
	}
}

// Who creates something finds it with the next call, without a word of positions.
func TestRESTShowsWhatItDid(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	for i := range 50 {
		name := fmt.Sprintf("ns-%d", i)
		m.want(201, "POST", "/control/namespaces", `{"namespace":"`+name+`","shardCount":2}`)
		m.want(200, "GET", "/control/shards?namespace="+name, "")
		m.want(200, "GET", "/control/namespaces/"+name, "")
	}
}

func TestRESTMutations(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	r := m.want(201, "POST", "/control/namespaces", `{"namespace":"demo","shardCount":8,"reason":"first"}`)
	if r.header.Get("Location") != "/control/namespaces/demo" || !strings.Contains(r.body, `"events":["NamespaceCreated"]`) || r.header.Get(headerKey) == "" {
		t.Errorf("create: %s %v", r, r.header)
	}
	m.await(m.head())
	r = m.want(200, "PATCH", "/control/namespaces/demo", `{"shardCount":9}`, "If-Match", `"1"`)
	if !strings.Contains(r.body, "NamespaceUpdated") {
		t.Errorf("update: %s", r)
	}
	m.await(m.head())
	for _, verb := range []string{"cordon", "uncordon"} {
		m.want(200, "POST", "/control/peers/n1:"+verb, `{"reason":"drill","changeTicket":"T-1"}`)
	}
	m.want(200, "PATCH", "/control/peers/n1", `{"labels":{"a":"b"},"weight":2}`)
	m.want(200, "POST", "/control/shards/demo/0:pause", "")
	m.want(200, "POST", "/control/shards/demo/0:resume", `{}`)
	m.await(m.head())
	p := m.want(200, "GET", "/control/peers/n1", "").doc
	if p["weight"] != 2.0 || p["labels"].(map[string]any)["a"] != "b" {
		t.Errorf("peer: %v", p)
	}
	before := m.head()
	r = m.want(200, "DELETE", "/control/namespaces/demo", `{"dryRun":true}`)
	if !strings.Contains(r.body, `"dryRun":true`) || m.head() != before {
		t.Errorf("dry run: %s, head %d after %d", r, m.head(), before)
	}
	m.want(200, "DELETE", "/control/namespaces/demo", "")
}

// A2: one key, one effect; another request under the key is refused.
func TestIdempotencyKey(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	first := m.want(200, "POST", "/control/peers/n1:cordon", `{"reason":"a"}`)
	key := first.header.Get(headerKey)
	again := m.want(200, "POST", "/control/peers/n1:cordon", `{"reason":"a"}`, headerKey, key)
	if again.doc["replayed"] != true || again.doc["position"] != first.doc["position"] {
		t.Errorf("again: %s after %s", again, first)
	}
	for _, other := range []string{"/control/peers/n1:uncordon", "/control/peers/n1:cordon"} {
		r := m.want(409, "POST", other, `{"reason":"b"}`, headerKey, key)
		if r.doc["code"] != "idempotency_mismatch" {
			t.Errorf("%s: %s", other, r)
		}
	}
	r := m.want(400, "POST", "/control/peers/n1:uncordon", "", headerKey, "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	if fields := r.doc["errors"].([]any); fields[0].(map[string]any)["field"] != headerKey {
		t.Errorf("a key of version 1: %s", r)
	}
}

// A3 and the tags of reads.
func TestETags(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 2)
	m.namespace("other", 2)
	record := m.want(200, "GET", "/control/namespaces/demo", "")
	if record.header.Get("ETag") != `"1"` {
		t.Errorf("tag of a record is %s", record.header.Get("ETag"))
	}
	m.want(304, "GET", "/control/namespaces/demo", "", "If-None-Match", `"0", W/"1"`)
	list := m.want(200, "GET", "/control/shards?namespace=demo", "").header.Get("ETag")
	all := m.want(200, "GET", "/control/shards", "").header.Get("ETag")
	if list == all {
		t.Errorf("the list of one namespace has the tag of all, %s, though another changed later", all)
	}
	m.do(pause("other", 0))
	if r := m.want(304, "GET", "/control/shards?namespace=demo", "", "If-None-Match", list); r.body != "" {
		t.Errorf("304 with a body: %s", r)
	}
	m.want(200, "GET", "/control/shards", "", "If-None-Match", all)
	before := m.head()
	r := m.want(412, "PATCH", "/control/namespaces/demo", `{"shardCount":3}`, "If-Match", `"7"`)
	if r.doc["currentEtag"] != `"1"` || m.head() != before {
		t.Errorf("a stale tag: %s, head %d after %d", r, m.head(), before)
	}
	m.want(400, "PATCH", "/control/namespaces/demo", `{"shardCount":3}`, "If-Match", `7`)
	m.want(400, "POST", "/control/shards/demo/0:pause", ``, "If-Match", `"1"`)
}

func TestAsOf(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 2)
	before := m.head()
	m.do(pause("demo", 0))
	m.namespace("late", 1)
	status := func(query string) any {
		return m.want(200, "GET", "/control/shards/demo/0"+query, "").doc["status"]
	}
	if got := status("?asOf=" + fmt.Sprint(before)); got != "active" {
		t.Errorf("as of %d: %v", before, got)
	}
	if got := status("?asOf=" + fmt.Sprint(m.head())); got != "paused" {
		t.Errorf("as of the head: %v", got)
	}
	if got := status("?asOf=-0.000001s"); got != "paused" {
		t.Errorf("as of a moment ago: %v", got)
	}
	for _, ahead := range []string{"2999-01-01T00:00:00Z", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)} {
		m.want(400, "GET", "/control/namespaces?asOf="+ahead, "")
	}
	m.want(404, "GET", "/control/namespaces/late?asOf="+fmt.Sprint(before), "")
	m.want(404, "GET", "/control/namespaces/demo?asOf=1999-01-01T00:00:00Z", "")
	if r := m.want(200, "GET", "/control/namespaces?asOf=-1h", ""); len(r.items()) != 0 || r.doc["position"] != 0.0 || r.header.Get(headerPosition) != "0" {
		t.Errorf("before everything: %s %v", r, r.header)
	}
	if r := m.want(404, "GET", "/control/namespaces/late?asOf="+fmt.Sprint(before), ""); r.header.Get(headerPosition) != fmt.Sprint(before) {
		t.Errorf("not there as of %d: %v", before, r.header)
	}
	// Genesis is one frame of several decisions; its first is of one event.
	if r := m.want(200, "GET", "/control/peers?asOf=1", ""); len(r.items()) != 0 {
		t.Errorf("peers as of 1: %s", r)
	}
	if r := m.want(200, "GET", "/control/namespaces?minPosition="+fmt.Sprint(m.head())+"&consistency=linearizable", ""); len(r.items()) != 2 {
		t.Errorf("linearizable: %s", r)
	}
}

// The status of a past is what was shown when it was the present, but for what
// the log does not keep.
func TestStatusAsOf(t *testing.T) {
	m := newMesh(t)
	session := m.join("n1")
	m.namespace("demo", 3)
	m.assign("demo", "n1", session, 0, 1)
	then := m.want(200, "GET", "/control/status", "").doc
	m.namespace("late", 5)
	m.do(pause("demo", 0))
	got := m.want(200, "GET", "/control/status?asOf="+fmt.Sprint(then["position"]), "").doc
	for _, server := range append(then["servers"].([]any), got["servers"].([]any)...) {
		delete(server.(map[string]any), "headHash")
	}
	if d := cmp.Diff(then, got); d != "" {
		t.Errorf("status as of %v (-then +as of):\n%s", then["position"], d)
	}
	if r := m.want(200, "GET", "/control/status?asOf=-1h", ""); r.doc["position"] != 0.0 || r.doc["leader"] != "" {
		t.Errorf("before everything: %s", r)
	}
}

// Pages are of the state of the first one, whatever happens in between.
func TestPagesAreOfOneState(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 25)
	for _, orderBy := range []string{"", "&orderBy=-version", "&orderBy=status"} {
		var ids []string
		path := "/control/shards?namespace=demo&pageSize=10" + orderBy
		position := ""
		for token := "first"; token != ""; {
			query := ""
			if token != "first" {
				query = "&pageToken=" + token
			}
			r := m.want(200, "GET", path+query, "")
			if position == "" {
				position = r.header.Get(headerPosition)
			}
			if got := r.header.Get(headerPosition); got != position {
				t.Errorf("a page of position %s after one of %s", got, position)
			}
			for _, one := range r.items() {
				ids = append(ids, fmt.Sprintf("%v@%v", one["shardId"], one["version"]))
			}
			token = r.doc["nextPageToken"].(string)
			m.do(pause("demo", 24))
			m.do(resume("demo", 24))
		}
		last := ids[24]
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 25 {
			t.Errorf("%q: %d ids, the last %s: %v", orderBy, len(ids), last, ids)
		}
	}
	token := m.want(200, "GET", "/control/shards?namespace=demo&pageSize=10", "").doc["nextPageToken"].(string)
	r := m.want(400, "GET", "/control/shards?pageSize=10&pageToken="+token, "")
	if !strings.Contains(r.body, "other filters") {
		t.Errorf("a token of another list: %s", r)
	}
	for _, list := range []string{"peers", "namespaces", "leaders", "shards/demo/0/history"} {
		m.want(400, "GET", "/control/"+list+"?pageToken=nonsense", "")
		m.want(400, "GET", "/control/"+list+"?pageSize=1001", "")
	}
}

func TestSmallListsPageAndSort(t *testing.T) {
	m := newMesh(t)
	for i := range 5 {
		m.namespace(fmt.Sprintf("ns%d", i), uint32(9-i))
	}
	var names []string
	for token := "first"; token != ""; {
		path := "/control/namespaces?pageSize=2&orderBy=shardCount"
		if token != "first" {
			path += "&pageToken=" + token
		}
		r := m.want(200, "GET", path, "")
		for _, one := range r.items() {
			names = append(names, one["namespace"].(string))
		}
		token = r.doc["nextPageToken"].(string)
	}
	if diff := cmp.Diff([]string{"ns4", "ns3", "ns2", "ns1", "ns0"}, names); diff != "" {
		t.Errorf("by shard count (-want +got):\n%s", diff)
	}
	r := m.want(400, "GET", "/control/namespaces?orderBy=colour", "")
	if !strings.Contains(r.body, "shardCount") {
		t.Errorf("an unknown order: %s", r)
	}
}

func TestSimulate(t *testing.T) {
	m := newMesh(t)
	s1 := m.join("n1")
	m.join("n2")
	m.namespace("demo", 6)
	m.assign("demo", "n1", s1, 0, 1, 2, 3, 4, 5)
	before := m.head()
	r := m.want(200, "POST", "/control/shards/simulate", `{"namespace":"demo"}`)
	certificate := r.doc["certificate"].(map[string]any)
	if len(r.doc["assignments"].([]any)) != 6 || len(r.doc["changes"].([]any)) != 3 || certificate["maxAfter"] != 3.0 || certificate["moved"] != 3.0 {
		t.Errorf("eligible nodes: %s", r)
	}
	r = m.want(200, "POST", "/control/shards/simulate", `{"namespace":"demo","strategyId":"ring","nodes":[{"nodeId":"a"},{"nodeId":"b","weight":2}]}`)
	if len(r.doc["changes"].([]any)) != 6 {
		t.Errorf("named nodes: %s", r)
	}
	for body, field := range map[string]string{
		`{"namespace":"demo","strategyId":"dice"}`:                     "strategyId",
		`{"namespace":"demo","nodes":[{"nodeId":""}]}`:                 "nodes[0].nodeId",
		`{"namespace":"demo","nodes":[{"nodeId":"a","weight":-1}]}`:    "nodes[0].weight",
		`{"namespace":"demo","nodes":[{"nodeId":"a"},{"nodeId":"a"}]}`: "nodes[1].nodeId",
		`{"namespace":"demo","nodes":[{"nodeId":"a","wieght":1}]}`:     "nodes[0].wieght",
	} {
		r := m.want(400, "POST", "/control/shards/simulate", body)
		if got := r.doc["errors"].([]any)[0].(map[string]any)["field"]; got != field {
			t.Errorf("%s: field %v, want %s: %s", body, got, field, r)
		}
	}
	r = m.want(200, "POST", "/control/shards/simulate", `{"namespace":"demo","lose":["n1"],"weights":{"n2":2},"rules":{"maxPerNode":4}}`)
	lost := r.doc["unplaceable"].([]any)[0].(map[string]any)
	if lost["count"] != 2.0 || lost["because"] != "the capacity of 1 nodes is 4 shards" || r.doc["certificate"].(map[string]any)["unplaceable"] != 2.0 {
		t.Errorf("n1 lost, four on a node: %s", r)
	}
	r = m.want(200, "POST", "/control/shards/simulate", `{"namespace":"demo","lose":["n1","n2"]}`)
	if out := r.doc["unplaceable"].([]any); len(out) != 1 || out[0].(map[string]any)["shards"] != "0-5" ||
		out[0].(map[string]any)["because"] != "no node with role worker is alive and active" {
		t.Errorf("all nodes lost: %s", r)
	}
	for body, field := range map[string]string{
		`{"namespace":"demo","lose":["n9"]}`:                                     "lose",
		`{"namespace":"demo","weights":{"n9":1}}`:                                "weights",
		`{"namespace":"demo","weights":{"n1":-1}}`:                               "weights",
		`{"namespace":"demo","rules":{"spread":"zone"}}`:                         "rules.maxSkew",
		`{"namespace":"demo","rules":{"require":["="]}}`:                         "rules.require[0]",
		`{"namespace":"demo","rules":{"prefer":["eu"]}}`:                         "rules.prefer[0]",
		`{"namespace":"demo","rules":{"maxPerNode":-1}}`:                         "rules.maxPerNode",
		`{"namespace":"demo","rules":{"pins":[{"shards":"3-1","nodes":["a"]}]}}`: "rules.pins[0].shards",
		`{"namespace":"demo","loadBound":1.5}`:                                   "loadBound",
	} {
		r := m.want(400, "POST", "/control/shards/simulate", body)
		if got := r.doc["errors"].([]any)[0].(map[string]any)["field"]; got != field {
			t.Errorf("%s: field %v, want %s: %s", body, got, field, r)
		}
	}
	if m.head() != before {
		t.Errorf("simulations left events: head %d after %d", m.head(), before)
	}
}

func TestPathsAndMethods(t *testing.T) {
	m := newMesh(t)
	for _, path := range []string{"/", "/control", "/control/", "/control/nothing", "/control/shards/demo", "/control/log/1:why", "/control/peers/n1:dance"} {
		method := "GET"
		if strings.Contains(path, "dance") {
			method = "POST"
		}
		r := m.want(404, method, path, "")
		if r.header.Get("Content-Type") != "application/problem+json" || r.doc["instance"] != path {
			t.Errorf("%s: %s", path, r)
		}
		if r.header.Get(headerLog) != "c1.1" || r.header.Get(headerPosition) != fmt.Sprint(m.head()) {
			t.Errorf("%s: every answer names its log and position, this one %v", path, r.header)
		}
	}
	r := m.want(405, "DELETE", "/control/peers", "")
	if r.header.Get("Allow") != "GET" {
		t.Errorf("Allow is %q", r.header.Get("Allow"))
	}
	if r := m.want(405, "POST", "/control/namespaces/demo", ""); r.header.Get("Allow") != "DELETE, GET, PATCH" {
		t.Errorf("Allow is %q", r.header.Get("Allow"))
	}
	if r := m.want(200, "HEAD", "/control/peers", ""); r.header.Get("ETag") == "" || r.body != "" {
		t.Errorf("HEAD: %s %v", r, r.header)
	}
	if r := m.want(200, "HEAD", "/control/events/log", ""); r.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD of a stream: %v", r.header)
	}
}
