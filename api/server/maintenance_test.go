package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// TestRESTDrain: the verbs, what they refuse, and the drain of a peer: live now, and
// never in the past.
func TestRESTDrain(t *testing.T) {
	asked := ""
	m := newMesh(t, func(d *Deps) {
		d.Drain = func(node string) *controlv1.DrainProgress {
			asked = node
			return &controlv1.DrainProgress{Shards: 3, Blockers: []*controlv1.DrainBlocker{{Kind: "shard", Reference: "demo/1", Reason: "paused", Detail: "it is"}}}
		}
	})
	m.join("n1")
	m.want(409, "POST", "/control/peers/n1:cancelDrain", "")
	m.want(400, "POST", "/control/peers/n1:drain", `{"deadlineMs":-1}`)
	m.want(400, "POST", "/control/peers/n1:drain", `{"deadlineMs":100000000}`)
	m.want(400, "POST", "/control/peers/n1:drain", `{"deadlineMs":999}`)
	m.want(404, "POST", "/control/peers/n9:drain", "")
	m.want(200, "POST", "/control/peers/n1:drain", `{"deadlineMs":60000,"reason":"disk"}`)
	at := m.head()
	r := m.want(200, "GET", "/control/peers/n1", "")
	for _, part := range []string{`"lifecycle":"draining"`, `"drain":{"startedAt":"`, `"progress":{"shards":3,`, `"reason":"paused"`} {
		if !strings.Contains(r.String(), part) {
			t.Errorf("no %s in %s", part, r)
		}
	}
	if asked != "n1" {
		t.Errorf("the progress of %q was asked for", asked)
	}
	if r := m.want(200, "GET", fmt.Sprintf("/control/peers/n1?asOf=%d", at), ""); strings.Contains(r.String(), "progress") || !strings.Contains(r.String(), `"drain":{`) {
		t.Errorf("of the past: %s", r)
	}
	m.want(200, "POST", "/control/peers/n1:cancelDrain", "")
	if r := m.want(200, "GET", "/control/peers/n1", ""); strings.Contains(r.String(), `"drain"`) {
		t.Errorf("cancelled: %s", r)
	}
}

// TestRESTMaintenance: a window from its making to its end, its status by the time
// of the answer.
func TestRESTMaintenance(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	end := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	m.want(400, "POST", "/control/maintenance", `{"name":"w","nodeIds":["n1"]}`)
	m.want(400, "POST", "/control/maintenance", `{"name":"w","end":"`+end+`"}`)
	m.want(400, "POST", "/control/maintenance", `{"name":"w","nodeIds":["n1"],"end":"1969-01-01T00:00:00Z"}`)
	r := m.want(201, "POST", "/control/maintenance", `{"name":"w","nodeIds":["n1"],"end":"`+end+`","impact":"cordon","reason":"disks"}`)
	if r.header.Get("Location") != "/control/maintenance/w" {
		t.Errorf("Location is %q", r.header.Get("Location"))
	}
	later := time.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
	m.want(201, "POST", "/control/maintenance", `{"name":"v","selectors":["rack=r1"],"start":"`+later+`","end":"`+end+`"}`)
	m.want(409, "POST", "/control/maintenance", `{"name":"w","nodeIds":["n1"],"end":"`+end+`"}`)
	r = m.want(200, "GET", "/control/maintenance?orderBy=-name", "")
	if items := r.items(); len(items) != 2 || items[0]["name"] != "w" || items[0]["status"] != "active" || items[0]["reason"] != "disks" ||
		items[1]["status"] != "scheduled" || items[1]["impact"] != "drain" {
		t.Errorf("windows: %s", r)
	}
	if r := m.want(200, "GET", "/control/maintenance?status=scheduled", ""); len(r.items()) != 1 {
		t.Errorf("scheduled: %s", r)
	}
	m.want(404, "POST", "/control/maintenance/x:end", "")
	m.want(200, "POST", "/control/maintenance/w:end", "")
	if r := m.want(200, "GET", "/control/maintenance/w", ""); r.doc["status"] != "ended" || r.header.Get("ETag") != `"2"` {
		t.Errorf("ended: %s, %s", r, r.header.Get("ETag"))
	}
	m.want(200, "DELETE", "/control/maintenance/w", "")
	m.want(404, "GET", "/control/maintenance/w", "")
	m.want(404, "DELETE", "/control/maintenance/w", "")
}
