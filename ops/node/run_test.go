package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/store"
)

// started is a server in this process.
type started struct {
	url   string
	ended chan error
	stop  context.CancelFunc
}

// start runs a server on a directory and waits until it is ready.
func start(t *testing.T, data string) *started {
	t.Helper()
	cfg := node.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.Insecure = data, "127.0.0.1:0", true
	ready := make(chan string, 1)
	ctx, cancel := context.WithCancel(t.Context())
	s := &started{ended: make(chan error, 1), stop: cancel}
	go func() {
		s.ended <- node.Run(ctx, cfg, node.Options{Version: "test",
			Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
			OnReady: func(address string) { ready <- address }})
	}()
	select {
	case address := <-ready:
		s.url = "http://" + address
	case err := <-s.ended:
		t.Fatalf("ended before it was ready: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("not ready within 30s")
	}
	return s
}

func (s *started) mustStop(t *testing.T) {
	t.Helper()
	began := time.Now()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("stop: %v", err)
	}
	if took := time.Since(began); took > node.StopWithin {
		t.Errorf("stop took %s, at most %s are allowed", took, node.StopWithin)
	}
	http.DefaultClient.CloseIdleConnections()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// TestServesAndStops starts a server twice on one directory: genesis, then what
// was there; nothing is left running.
func TestServesAndStops(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	data := filepath.Join(t.TempDir(), "data")
	positions := []float64{}
	for range 2 {
		s := start(t, data)
		if status, body := get(t, s.url+"/readyz"); status != http.StatusOK {
			t.Errorf("/readyz: %d %s", status, body)
		}
		if _, body := get(t, s.url+"/metrics"); !strings.Contains(body, "mesh_log_position") || !strings.Contains(body, "mesh_controller_steps_total") {
			t.Error("/metrics has not the metrics of all parts")
		}
		_, body := get(t, s.url+"/control/status")
		var mesh struct {
			ClusterID, Leader string
			Ready             bool
			Position          float64
		}
		if err := json.Unmarshal([]byte(body), &mesh); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if mesh.ClusterID != "c1" || mesh.Leader != "s1" || !mesh.Ready {
			t.Errorf("status is %+v", mesh)
		}
		positions = append(positions, mesh.Position)
		s.mustStop(t)
	}
	if positions[1] <= positions[0] {
		t.Errorf("positions of two starts: %v; the second did not go on from the first", positions)
	}
}

// TestRefusedStartsSayWhy: errors that a caller can act on, and nothing left.
func TestRefusedStartsSayWhy(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data)
	cfg := node.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.Insecure = data, "127.0.0.1:0", true
	quiet := node.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if err := node.Run(t.Context(), cfg, quiet); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a second server on the directory: %v", err)
	} else if fields := node.Explain(err); len(fields) < 2 || fields[1] != "data_locked" {
		t.Errorf("explained as %v", fields)
	}
	other := cfg
	other.Data, other.HTTP = filepath.Join(t.TempDir(), "other"), strings.TrimPrefix(s.url, "http://")
	if err := node.Run(t.Context(), other, quiet); err == nil || !strings.Contains(err.Error(), "listen on") {
		t.Errorf("a second server on the address: %v", err)
	} else if _, err := os.Stat(other.Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left its directory behind: %v", err)
	}
	s.mustStop(t)
	if err := os.RemoveAll(filepath.Join(data, "log")); err != nil {
		t.Fatal(err)
	}
	if err := node.Run(t.Context(), cfg, quiet); !errors.Is(err, store.ErrLogMissing) {
		t.Errorf("a server whose log is gone: %v", err)
	}
}
