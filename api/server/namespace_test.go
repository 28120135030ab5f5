package server

import (
	"encoding/json"
	"fmt"
	"testing"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/shard"
)

// A list or diff of a namespace that does not exist is not found, as an empty
// one is not; in a past it is what it was then.
func TestShardsOfNoNamespace(t *testing.T) {
	m := newMesh(t)
	before := m.head()
	m.namespace("demo", 2)
	created := m.head()
	m.do(pause("demo", 0))
	lived := m.head()
	m.do(shard.Delete{Namespace: "demo"})
	gone := m.head()
	m.namespace("other", 1)
	m.await(m.head())
	diff := func(ns string, from, to any) string {
		return fmt.Sprintf("/control/shards/diff?namespace=%s&fromVersion=%v&toVersion=%v", ns, from, to)
	}
	for _, c := range []struct {
		path   string
		status int
		items  int
		detail string
	}{
		{"/control/shards?namespace=none", 404, 0, `namespace "none" does not exist`},
		{"/control/shards?namespace=none&status=paused&orderBy=version", 404, 0, `namespace "none" does not exist`},
		{"/control/shards?namespace=demo", 404, 0, `namespace "demo" does not exist`},
		{"/control/shards?namespace=other&status=paused", 200, 0, ""},
		{"/control/shards?owner=nobody", 200, 0, ""},
		{"/control/shards?namespace=demo&asOf=" + lived.String(), 200, 2, ""},
		{"/control/shards?namespace=demo&asOf=" + created.String(), 200, 2, ""},
		{"/control/shards?namespace=demo&asOf=" + before.String(), 404, 0, fmt.Sprintf(`namespace "demo" did not exist at position %d`, before)},
		{"/control/shards?namespace=demo&asOf=" + gone.String(), 404, 0, fmt.Sprintf(`namespace "demo" did not exist at position %d`, gone)},
		{"/control/shards?namespace=demo&asOf=-1h", 404, 0, `namespace "demo" did not exist at position 0`},
		{"/control/namespaces/demo?asOf=" + gone.String(), 404, 0, fmt.Sprintf(`namespace "demo" did not exist at position %d`, gone)},
		{diff("demo", before, m.head()), 200, 7, ""}, // lived and died in between
		{diff("demo", created, created), 200, 0, ""},
		{diff("demo", gone, m.head()), 404, 0, fmt.Sprintf(`namespace "demo" did not exist between the positions %d and %d`, gone, m.head())},
		{diff("none", before, m.head()), 404, 0, fmt.Sprintf(`namespace "none" did not exist between the positions %d and %d`, before, m.head())},
		{diff("demo", before, m.head()) + "&owner=nobody", 200, 0, ""},
	} {
		var body struct {
			Items, Diffs []json.RawMessage
			Code, Detail string
		}
		reply := m.rest("GET", c.path, "")
		if err := json.Unmarshal([]byte(reply.body), &body); err != nil {
			t.Fatalf("%s: %v in %s", c.path, err, reply.body)
		}
		if reply.status != c.status || len(body.Items)+len(body.Diffs) != c.items || body.Detail != c.detail || (c.status == 404) != (body.Code == "namespace_not_found") {
			t.Errorf("%s: %d %s; want %d with %d rows, %q", c.path, reply.status, reply.body, c.status, c.items, c.detail)
		}
	}
	_, err := m.connect(m.h2).shards.List(t.Context(), request(&controlv1.ShardListRequest{Namespace: "none"}))
	wantError(t, err, "not_found", "namespace_not_found")
	_, err = m.connect(m.h2).shards.Diff(t.Context(), request(&controlv1.ShardDiffRequest{Namespace: "none", FromToken: 1}))
	wantError(t, err, "not_found", "namespace_not_found")
}

// A watch waits for a namespace that is not there yet.
func TestWatchWaitsForNamespace(t *testing.T) {
	m := newMesh(t)
	s := m.events(m.h1, "/control/events/shards?namespace=demo")
	s.next() // the bookmark of an empty snapshot
	m.namespace("demo", 1)
	if got := line(s.change()); got == "" {
		t.Error("nothing of the new namespace")
	}
}
