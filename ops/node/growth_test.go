package node_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/natslog"
)

func openLog(t *testing.T, data string) *natslog.Store {
	t.Helper()
	s, err := natslog.Open(t.Context(), natslog.DefaultConfig(filepath.Join(data, "log"), "c1"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSealedLogLivesOnInACopy: a sealed log is copied, stays sealed, and goes on
// where it was when the seal is taken away there.
func TestSealedLogLivesOnInACopy(t *testing.T) {
	old, grown := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "grown")
	ask := func(s *started) *client.Client {
		c, err := client.New(client.DefaultConfig(s.url))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s := start(t, old)
	c := ask(s)
	sealed, err := c.Log.Seal(t.Context(), &controlv1.SealRequest{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.mustStop(t)

	from, to := openLog(t, old), openLog(t, grown)
	mark, err := archive.Copy(t.Context(), from, to)
	if err == nil {
		err = to.Anchor(mark)
	}
	if err := errors.Join(err, from.Close(), to.Close()); err != nil {
		t.Fatal(err)
	}
	if int64(mark.Position) != sealed.GetPosition() {
		t.Errorf("copied up to %d, sealed at %d", mark.Position, sealed.GetPosition())
	}

	s = start(t, grown)
	c = ask(s)
	create := &controlv1.CreateNamespaceRequest{Namespace: "demo", ShardCount: 1}
	var e *client.Error
	if _, err := c.Namespaces.Create(t.Context(), create); !errors.As(err, &e) || e.Reason != "log_sealed" {
		t.Errorf("the copy of a sealed log takes a command: %v", err)
	}
	if _, err := c.Log.Unseal(t.Context(), &controlv1.UnsealRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Namespaces.Create(t.Context(), create); err != nil {
		t.Error(err)
	}
	if v, err := c.Log.Verify(t.Context(), 0); err != nil || !v.GetOk() {
		t.Errorf("the log of both: %v, %v", v, err)
	}
	c.Close()
	s.mustStop(t)
}
