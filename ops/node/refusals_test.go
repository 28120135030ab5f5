package node_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestRefusedCallsAreKept: what a decider refused and what never came to one are
// listed, also by the next process; a stop right after loses none.
func TestRefusedCallsAreKept(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data)
	cordon := func() {
		res, err := http.Post(s.url+"/control/peers/nobody:cordon", "application/json", strings.NewReader(`{"reason":"why"}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("cordon of nobody: %d, %v", res.StatusCode, err)
		}
	}
	cordon()
	if status, body := get(t, s.url+"/control/peers?nonsense=1"); status != http.StatusBadRequest {
		t.Errorf("a parameter that is none: %d %s", status, body)
	}
	list := func() (codes []string) {
		status, body := get(t, s.url+"/control/audit?refused=true")
		var page struct {
			Items []struct{ Code, Actor, Reason string }
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		for _, one := range page.Items {
			codes = append(codes, one.Code)
			if one.Actor == "" {
				t.Errorf("nobody was refused: %+v", one)
			}
		}
		return codes
	}
	deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for len(list()) < 2 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("recorded: %v; want two", list())
		}
	}
	_, body := get(t, s.url+"/metrics")
	for _, want := range []string{
		`mesh_refused_total{outcome="recorded",reason="node_not_found"} 1`, `mesh_refused_total{outcome="recorded",reason="unknown_parameter"} 1`,
		"mesh_leadership_split_brain_total 0", "mesh_leadership_election_duration_ms_count 0", "mesh_sessions 0",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	cordon()
	s.mustStop(t)
	s = start(t, data)
	if got := strings.Join(list(), " "); got != "node_not_found unknown_parameter node_not_found" {
		t.Errorf("after a stop and a start: %s", got)
	}
	s.mustStop(t)
}
