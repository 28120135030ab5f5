package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func single(dir string) Config {
	return Config{
		Name: "test", Cluster: "test", Dir: dir, MaxStore: 1 << 24, MaxPayload: 1 << 20,
		StartTimeout: 30 * time.Second, Logger: slog.New(slog.DiscardHandler),
	}
}

// TestConnectionOutlivesServer: one connection serves before and after a restart.
func TestConnectionOutlivesServer(t *testing.T) {
	s := New(single(t.TempDir()))
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	conn, err := s.Connect(Mesh, nats.MaxReconnects(-1), nats.ReconnectWait(5*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		t.Fatal(err)
	}
	answers := func() bool {
		m, err := conn.Request("echo", []byte("a"), time.Second)
		return err == nil && string(m.Data) == "a"
	}
	if !answers() {
		t.Fatal("no answer")
	}
	s.Stop()
	if s.Running() != nil || len(s.Routes()) > 0 {
		t.Error("a server that was stopped is said to run")
	}
	if _, err := s.Connect(Mesh); err == nil {
		t.Error("a server that was stopped takes a connection")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); !answers(); {
		if time.Now().After(end) {
			t.Fatal("no answer after the restart")
		}
	}
}

// TestStartFails: what nats-server would end the process for is an error at once.
func TestStartFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := single(file)
	cfg.StartTimeout = time.Hour
	s := New(cfg)
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "not a directory") || !strings.Contains(err.Error(), file) {
		t.Errorf("%v; want it to say what is wrong, and where", err)
	}
	s.Stop()
}
