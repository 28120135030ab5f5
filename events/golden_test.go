package events_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// fill writes goldens for samples that have none. It replaces nothing: goldens
// are kept for ever, and a difference is a log that can no longer be read.
var fill = flag.Bool("fill", false, "write goldens for event types that have none")

// golden is a frame as it was once stored, and what it said. The files are
// <Type>.json, and <Type>.<n>.json for what a type was given later.
type golden struct {
	// Stored is the frame's bytes in hexadecimal.
	Stored string `json:"stored"`
	// Frame is the same in JSON, after upcasting.
	Frame json.RawMessage `json:"frame"`
}

// goldenFrame is the frame that a golden stores; an era begins where it says.
func goldenFrame(h events.Head, e *eventsv1.Event) *eventsv1.Frame {
	f := following(h, e)
	if era := e.GetEraStarted(); era != nil {
		f.Era, f.First = era.Era, era.Next
	}
	return f
}

func TestGoldens(t *testing.T) {
	if *fill {
		fillGoldens(t)
	}
	seen := map[string]map[string]bool{}
	for _, path := range goldenFiles(t) {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) { checkGolden(t, path, name, seen[name]) })
	}
	fields := (&eventsv1.Event{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		md := fields.Get(i).Message()
		for _, f := range allFields(md, nil) {
			if !seen[string(md.Name())][f] {
				t.Errorf("no golden of %s sets %s; add a sample and run this test with -fill", md.Name(), f)
			}
		}
	}
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("goldens: %d files, %v", len(paths), err)
	}
	return paths
}

// checkGolden reads stored bytes with today's code, and encodes them again.
func checkGolden(t *testing.T, path, name string, seen map[string]bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	bytesStored, err := hex.DecodeString(g.Stored)
	if err != nil {
		t.Fatal(err)
	}
	want := &eventsv1.Frame{}
	if err := protojson.Unmarshal(g.Frame, want); err != nil {
		t.Fatalf("the JSON of the golden does not decode: %v", err)
	}
	got, next, err := before().Next(bytesStored)
	if err != nil {
		t.Fatalf("stored bytes do not continue the log any more: %v", err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("stored bytes decode to something else (-golden +now):\n%s", diff)
	}
	if next.Hash != events.HashOf(bytesStored) {
		t.Errorf("head hash is %s, not that of the stored bytes", next.Hash)
	}
	for from, f := range map[string]*eventsv1.Frame{"the bytes": got, "the JSON": want} {
		if b := stored(t, f); !bytes.Equal(b, bytesStored) {
			t.Errorf("encoding what %s decode to gives other bytes:\nstored %x\n   now %x", from, bytesStored, b)
		}
	}
	e := got.Decisions[0].Events[0]
	if events.TypeOf(e) != name {
		t.Errorf("holds an event of type %s", events.TypeOf(e))
	}
	m := e.ProtoReflect()
	markSet(m.Get(m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))).Message(), seen)
}

// allFields names every field of a message and of the messages in it.
func allFields(md protoreflect.MessageDescriptor, names []string) []string {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if names = append(names, string(fd.FullName())); fd.Message() != nil && !fd.IsMap() {
			names = allFields(fd.Message(), names)
		}
	}
	return names
}

func markSet(m protoreflect.Message, seen map[string]bool) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		seen[string(fd.FullName())] = true
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				markSet(v.List().Get(i).Message(), seen)
			}
		default:
			markSet(v.Message(), seen)
		}
		return true
	})
}

func fillGoldens(t *testing.T) {
	samplesOf := map[string]int{}
	for _, m := range samples() {
		name := string(m.ProtoReflect().Descriptor().Name())
		if samplesOf[name]++; samplesOf[name] > 1 {
			name = fmt.Sprintf("%s.%d", name, samplesOf[name])
		}
		path := filepath.Join("testdata", name+".json")
		if _, err := os.Stat(path); err == nil {
			continue
		}
		f := goldenFrame(before(), event(t, m))
		frame, err := protojson.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(golden{Stored: hex.EncodeToString(stored(t, f)), Frame: frame}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSamples: the samples are one of each type, in the order of the schema.
func TestSamples(t *testing.T) {
	var names []string
	for _, m := range samples() {
		names = append(names, string(m.ProtoReflect().Descriptor().Name()))
	}
	if diff := cmp.Diff(typesOf(), slices.Compact(names)); diff != "" {
		t.Errorf("samples (-schema +samples):\n%s", diff)
	}
}

// TestDescribe compares one line per event type with testdata/describe.txt.
func TestDescribe(t *testing.T) {
	var b strings.Builder
	for _, m := range samples() {
		e := event(t, m)
		d := events.Describe(e)
		if d.Context == "unknown" || d.ID == "" || d.Summary == "" {
			t.Errorf("%s has no description: %+v", events.TypeOf(e), d)
		}
		fmt.Fprintf(&b, "%s | %s | %s | %s\n", events.TypeOf(e), d.Context, d.ID, d.Summary)
	}
	const path = "testdata/describe.txt"
	if *fill {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("descriptions (-golden +now); delete %s and run with -fill if meant:\n%s", path, diff)
	}
}

// TestDescribeBounds: a description is one short line however large the event.
func TestDescribeBounds(t *testing.T) {
	var all []*eventsv1.ShardAssignment
	for n := range uint32(20) {
		var ids []uint32
		for i := range uint32(100) {
			ids = append(ids, n*1000+i*2)
		}
		all = append(all, &eventsv1.ShardAssignment{NodeId: fmt.Sprintf("n%d", n), Shards: events.PackShards(ids)})
	}
	d := events.Describe(event(t, &eventsv1.ShardsAssigned{Namespace: "demo", Assignments: all}))
	if len(d.Summary) > 400 || strings.Contains(d.Summary, "\n") || !strings.Contains(d.Summary, "and 16 more") {
		t.Errorf("summary has %d bytes: %s", len(d.Summary), d.Summary)
	}
	// What cannot be described is said to be so, and nothing panics on it.
	for _, e := range []*eventsv1.Event{nil, {}} {
		if d := events.Describe(e); d.Context != "unknown" {
			t.Errorf("%v is described as %+v", e, d)
		}
	}
}

// TestMarshalIsDeterministic: maps are encoded in one order (T8).
func TestMarshalIsDeterministic(t *testing.T) {
	labels := map[string]string{}
	for i := range 50 {
		labels[fmt.Sprintf("k%02d", i)] = strings.Repeat("v", i)
	}
	f := following(before(), event(t, &eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "n1", Labels: labels}}))
	want := stored(t, f)
	for range 20 {
		if got := stored(t, proto.Clone(f).(*eventsv1.Frame)); !bytes.Equal(got, want) {
			t.Fatal("the same frame has two encodings")
		}
	}
}
