package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/schedule"
)

// TestRESTSchedules goes through a schedule's life, by REST alone.
func TestRESTSchedules(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	body := `{"name":"nightly","timing":{"cron":"30 3 * * *"},"action":{"cordon":{"nodeId":"n1"}},"missed":"skip","reason":"kernel update"}`
	r := m.want(201, "POST", "/control/schedules", body)
	if r.header.Get("Location") != "/control/schedules/nightly" {
		t.Errorf("created at %q", r.header.Get("Location"))
	}
	r = m.want(200, "GET", "/control/schedules/nightly", "")
	for _, want := range []string{`"status":"active"`, `"cron":"30 3 * * *"`, `"missed":"skip"`, `"attempts":5`, `"reason":"kernel update"`, `"nextRun":"`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %s in %s", want, r)
		}
	}
	m.want(304, "GET", "/control/schedules/nightly", "", "If-None-Match", r.header.Get("ETag"))
	m.want(412, "POST", "/control/schedules/nightly:pause", "", "If-Match", `"1"`)
	m.want(200, "POST", "/control/schedules/nightly:pause", "", "If-Match", r.header.Get("ETag"))
	if r := m.want(200, "GET", "/control/schedules?status=paused&search=night", ""); len(r.items()) != 1 {
		t.Errorf("paused: %s", r)
	}
	m.want(200, "POST", "/control/schedules/nightly:resume", "")
	first := m.want(200, "GET", "/control/schedules/nightly/history?pageSize=2", "")
	rest := m.want(200, "GET", "/control/schedules/nightly/history?pageSize=2&pageToken="+fmt.Sprint(first.doc["nextPageToken"]), "")
	if len(first.items()) != 2 || len(rest.items()) != 1 || rest.items()[0]["event"] != "ScheduleResumed" || rest.doc["nextPageToken"] != "" {
		t.Errorf("history: %s, then %s", first, rest)
	}
	m.want(201, "POST", "/control/schedules", `{"name":"other","timing":{"everyMs":60000},"action":{"uncordon":{"nodeId":"n1"}}}`)
	page := m.want(200, "GET", "/control/schedules?pageSize=1", "")
	page = m.want(200, "GET", "/control/schedules?pageSize=1&pageToken="+fmt.Sprint(page.doc["nextPageToken"]), "")
	if len(page.items()) != 1 || page.items()[0]["name"] != "other" || page.doc["nextPageToken"] != "" {
		t.Errorf("second page: %s", page)
	}
	m.want(200, "DELETE", "/control/schedules/nightly", "")
	m.want(404, "GET", "/control/schedules/nightly", "")
	m.want(404, "GET", "/control/schedules/nowhere/history", "")
	if r := m.want(200, "GET", "/control/schedules/nightly/history", ""); len(r.items()) != 4 || r.items()[3]["schedule"] != nil {
		t.Errorf("history of what was removed: %s", r)
	}
}

func TestRESTSchedulesRefused(t *testing.T) {
	m := newMesh(t)
	good := `"timing":{"afterMs":60000},"action":{"uncordon":{"nodeId":"n1"}}`
	for body, field := range map[string]string{
		`{"name":"x"}`: "timing",
		`{"name":"x","timing":{"afterMs":60000}}`:                                                          "action",
		`{"name":"x","timing":{"afterMs":-1}}`:                                                             "timing.afterMs",
		`{"name":"x","timing":{"everyMs":1000}}`:                                                           "timing.everyMs",
		`{"name":"x","timing":{"at":"2001-01-01T00:00:00Z"}}`:                                              "timing.at",
		`{"name":"x","retry":{"attempts":21},` + good + `}`:                                                "retry.attempts",
		`{"name":"x","retry":{"backoffMs":-5},` + good + `}`:                                               "retry.backoffMs",
		`{"name":"x","timing":{"afterMs":60000},"action":{"drain":{"nodeId":"n1","deadlineMs":-1}}}`:       "action.drain.deadlineMs",
		`{"name":"x","timing":{"afterMs":60000},"action":{"drain":{"nodeId":"n1","deadlineMs":1}}}`:        "action.deadlineMs",
		`{"name":"x","timing":{"afterMs":60000},"action":{"pause":{"namespace":"demo","shardIds":["x"]}}}`: "shardIds[0]",
	} {
		if r := m.want(400, "POST", "/control/schedules", body); !strings.Contains(r.body, `"`+field+`"`) {
			t.Errorf("%s: %s does not name %s", body, r, field)
		}
	}
}

// TestRESTScheduledDrains: what a schedule will do with drains reads as it was given.
func TestRESTScheduledDrains(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	for _, action := range []string{`"action":{"drain":{"nodeId":"n1","deadlineMs":90000}}`, `"action":{"cancelDrain":{"nodeId":"n1"}}`} {
		m.want(201, "POST", "/control/schedules", `{"name":"x","timing":{"afterMs":60000},`+action+`}`)
		if r := m.want(200, "GET", "/control/schedules/x", ""); !strings.Contains(r.body, action) {
			t.Errorf("%s reads as %s", action, r)
		}
		m.want(200, "DELETE", "/control/schedules/x", "")
	}
}

// TestScheduleFires: the caller's schedule is fired by a server, and the decision is
// the caller's.
func TestScheduleFires(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	m.want(201, "POST", "/control/schedules", `{"name":"soon","timing":{"afterMs":1},"action":{"cordon":{"nodeId":"n1"}},"changeTicket":"CH-1"}`)
	m.want(409, "POST", "/control/schedules", `{"name":"soon","timing":{"afterMs":1},"action":{"cordon":{"nodeId":"n1"}}}`)
	one, _ := m.sequencer.View().Model.Schedule.Schedule("soon")
	m.until("the schedule is due", func() bool { return time.Now().UnixMilli() > one.Due })
	m.do(schedule.Fire{Name: "soon", Due: one.Due, Attempt: 1})
	if r := m.want(200, "GET", "/control/audit?id=schedule/soon", ""); !strings.Contains(r.body, `"changeTicket":"CH-1"`) || len(r.items()) != 2 {
		t.Errorf("audit: %s", r)
	}
}

// TestRESTQuarantine: the policy, as it is by itself and as it is set.
func TestRESTQuarantine(t *testing.T) {
	m := newMesh(t)
	r := m.want(200, "GET", "/control/policies/quarantine", "")
	if r.body = strings.TrimSpace(r.body); r.body != `{"deaths":2,"windowMs":600000,"maxAtOnce":3,"disabled":false,"version":0}` {
		t.Errorf("by itself: %s", r.body)
	}
	m.want(200, "PATCH", "/control/policies/quarantine", `{"deaths":3,"disabled":true,"reason":"rollout"}`)
	r = m.want(200, "GET", "/control/policies/quarantine", "")
	if r.body = strings.TrimSpace(r.body); r.body != `{"deaths":3,"windowMs":600000,"maxAtOnce":3,"disabled":true,"version":1}` {
		t.Errorf("as set: %s", r.body)
	}
	m.want(400, "PATCH", "/control/policies/quarantine", `{"deaths":0}`)
	m.want(400, "PATCH", "/control/policies/quarantine", `{"windowMs":1}`)
	m.namespace("demo", 2)
	m.want(409, "POST", "/control/shards/demo/1:unquarantine", "")
	m.want(404, "POST", "/control/shards/demo/2:unquarantine", "")
}
