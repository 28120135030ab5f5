package compat

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// releases have a log in testdata; each name is a version of the event schema.
func releases() []string { return []string{"schema-1", "schema-2", "schema-3", "schema-4", "schema-5"} }

var filling = flag.Bool("fill", false, "write the logs that are missing")

// TestOldLogsReplay is T2 over releases.
func TestOldLogsReplay(t *testing.T) {
	for _, release := range releases() {
		t.Run(release, func(t *testing.T) {
			path := filepath.Join("testdata", release+".log")
			stored, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) && *filling {
				stored = record(t)
				write(t, path, stored)
				write(t, filepath.Join("testdata", release+".json"), state(t, replay(t, stored)))
			} else if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", release+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(state(t, replay(t, stored)))); diff != "" {
				t.Errorf("the log of %s has another state now (-then +now):\n%s", release, diff)
			}
		})
	}
}

// TestTheNewestLogIsOfThisSchema reminds of adding a log with a new schema.
func TestTheNewestLogIsOfThisSchema(t *testing.T) {
	if n := len(releases()); n != events.SchemaVersion {
		t.Errorf("there are logs of %d schemas, this release writes schema %d: add its name to releases and run with -fill", n, events.SchemaVersion)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// frames splits a file into frames: each its length, 4 bytes big endian, and its
// stored bytes.
func frames(t *testing.T, file []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(file) > 0 {
		if len(file) < 4 || uint32(len(file)-4) < binary.BigEndian.Uint32(file) {
			t.Fatalf("the file ends inside of frame %d", len(out)+1)
		}
		n := binary.BigEndian.Uint32(file)
		out, file = append(out, file[4:4+n]), file[4+n:]
	}
	return out
}

func replay(t *testing.T, file []byte) *model.Model {
	t.Helper()
	m, head := model.New(), events.Head{}
	for i, stored := range frames(t, file) {
		frame, next, err := head.Next(stored)
		if err != nil {
			t.Fatalf("frame %d: %v", i+1, err)
		}
		m.EvolveFrame(frame)
		head = next
	}
	return m
}

// state is what the contexts show, in a form that does not depend on how they
// keep it.
func state(t *testing.T, m *model.Model) []byte {
	t.Helper()
	var nodes []membership.Node
	m.Membership.EachNode(func(n membership.Node) bool { nodes = append(nodes, n); return true })
	var scopes []leadership.Scope
	m.Leadership.EachScope(func(s leadership.Scope) bool { scopes = append(scopes, s); return true })
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	err := e.Encode(struct {
		Position   events.Position
		Time       int64
		Policies   []policy.Policy
		Nodes      []membership.Node
		Scopes     []leadership.Scope
		Namespaces []shard.NamespaceImage
	}{m.Position, m.Time, m.Policy.Image(), nodes, scopes, m.Shard.Image()})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
