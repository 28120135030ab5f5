package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/ops/telemetry"
)

func TestFieldsOnEveryLine(t *testing.T) {
	var out bytes.Buffer
	log, _, err := telemetry.NewLogger(&out, telemetry.LogConfig{Format: "json", Level: "info"},
		telemetry.Identity{Role: "server", Node: "s1", Cluster: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	log.With("component", "api").Info("ready", "position", 7)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "ready", "role": "server", "node": "s1", "cluster": "c1",
		"component": "api", "position": 7.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLevelsByComponentLive(t *testing.T) {
	var out bytes.Buffer
	log, levels, err := telemetry.NewLogger(&out, telemetry.LogConfig{Format: "text", Level: "info,nats=error"}, telemetry.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	nats := log.With("component", "nats")
	say := func() string {
		out.Reset()
		log.Debug("all-debug")
		log.Info("all-info")
		nats.Warn("nats-warn")
		nats.Error("nats-error")
		nats.WithGroup("g").With("component", "api").Warn("grouped")
		var said []string
		for line := range strings.Lines(out.String()) {
			_, msg, _ := strings.Cut(line, "msg=")
			said = append(said, strings.Fields(msg)[0])
		}
		return strings.Join(said, " ")
	}
	if got, want := say(), "all-info nats-error"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if err := levels.Set("debug"); err != nil {
		t.Fatal(err)
	}
	if got, want := say(), "all-debug all-info nats-warn nats-error grouped"; got != want {
		t.Errorf("after the change said %q, want %q", got, want)
	}
	if err := levels.Set("loud"); err == nil {
		t.Error("an unknown level was taken")
	}
	if !log.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("a refused change changed something")
	}
}

func TestLogConfig(t *testing.T) {
	for _, c := range []telemetry.LogConfig{{Format: "xml", Level: "info"}, {Format: "text", Level: "x"}, {Format: "json", Level: "info,api"}} {
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%+v: %v; want an error that says what is allowed", c, err)
		}
	}
}

func TestRegistryServes(t *testing.T) {
	reg := telemetry.NewRegistry("v1.2.3")
	res := httptest.NewRecorder()
	telemetry.Handler(reg).ServeHTTP(res, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`omnirelay_build_info{`, `version="v1.2.3"`, "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(res.Body.String(), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}
