package model_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
)

var update = flag.Bool("update", false, "write testdata/commands.txt anew")

func newWire(t testing.TB) *model.Wire {
	t.Helper()
	w, err := model.NewWire()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestCommandsComplete: every type with a method CommandName in a context is in
// the list, under the name that it says.
func TestCommandsComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range model.Commands() {
		listed[reflect.TypeOf(c).String()] = true
		if got, ok := model.NewCommand(c.CommandName()); !ok || got.CommandName() != c.CommandName() {
			t.Errorf("NewCommand(%q) gives %v, %t", c.CommandName(), got, ok)
		}
		if reflect.TypeOf(c).String() != c.CommandName() {
			t.Errorf("%T is named %q; names are <context>.<Verb>, as their types are", c, c.CommandName())
		}
	}
	if _, ok := model.NewCommand("shard.Nothing"); ok {
		t.Error("shard.Nothing is a command")
	}
	files, err := filepath.Glob("../*/*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files of contexts, %v", len(files), err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, command := range commandTypes(t, name) {
			found++
			if !listed[command] {
				t.Errorf("%s: %s is a command, and model.Commands does not have it", name, command)
			}
		}
	}
	if found != len(listed) {
		t.Errorf("%d types of commands in the contexts, %d in model.Commands", found, len(listed))
	}
}

// commandTypes are the types of a file that have a method CommandName.
func commandTypes(t *testing.T, name string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "CommandName" {
			continue
		}
		on := f.Recv.List[0].Type
		if p, ok := on.(*ast.StarExpr); ok {
			on = p.X
		}
		types = append(types, file.Name.Name+"."+on.(*ast.Ident).Name)
	}
	return types
}

// TestWireRoundTrip: any command of any type comes back as it was. That a list
// or map is empty and not nil is no part of a command.
func TestWireRoundTrip(t *testing.T) {
	w := newWire(t)
	for _, c := range model.Commands() {
		t.Run(c.CommandName(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				v := reflect.New(reflect.TypeOf(c)).Elem()
				drawInto(t, v, 0)
				want := v.Interface().(commands.Command)
				name, b, err := w.Encode(want)
				if err != nil {
					t.Fatal(err)
				}
				got, err := w.Decode(name, b)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
					t.Fatalf("(-sent +received):\n%s", diff)
				}
			})
		})
	}
}

// drawInto sets a value of any type that commands are made of, each part of it
// often to nothing.
func drawInto(t *rapid.T, v reflect.Value, depth int) {
	label := v.Type().String()
	if depth > 0 && v.Kind() != reflect.Struct && rapid.IntRange(0, 3).Draw(t, "empty") == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			drawInto(t, v.Field(i), depth+1)
		}
	case reflect.String:
		v.SetString(string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, label)))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Float64:
		v.SetFloat(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(-1), math.Copysign(0, -1)})).Draw(t, label))
	case reflect.Int32, reflect.Int64:
		n := rapid.Int64().Draw(t, label)
		if v.OverflowInt(n) {
			n >>= 32
		}
		v.SetInt(n)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, label) >> (64 - v.Type().Bits()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		drawInto(t, v.Elem(), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			drawInto(t, v.Index(i), 0)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 4).Draw(t, label)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			drawInto(t, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 3).Draw(t, label) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			drawInto(t, key, depth+1)
			drawInto(t, value, depth+1)
			v.SetMapIndex(key, value)
		}
	default:
		t.Fatalf("a command has a field of type %s: add it here, and see that the wire form can hold it", v.Type())
	}
}

// TestWireRefuses: what this release does not know is refused and not cut, at
// any depth; a field that is not set is not sent, so that an older release takes
// the command.
func TestWireRefuses(t *testing.T) {
	w := newWire(t)
	encode := func(v any) []byte {
		b, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"a field":                encode(map[string]any{"NodeID": "n1", "Until": 5}),
		"a field in other cases": encode(map[string]any{"nodeid": "n1"}),
		"another type":           encode(map[string]any{"NodeID": 5}),
		"more behind":            append(encode(map[string]any{"NodeID": "n1"}), 0),
		"nothing":                nil,
		"a field twice":          {0xa2, 0x66, 'N', 'o', 'd', 'e', 'I', 'D', 0x61, 'a', 0x66, 'N', 'o', 'd', 'e', 'I', 'D', 0x61, 'b'},
	} {
		if c, err := w.Decode("membership.Cordon", b); err == nil {
			t.Errorf("%s: decoded as %+v", name, c)
		}
	}
	nested := encode(map[string]any{"Namespace": "a", "Targets": []map[string]any{{"NodeID": "n1", "Zone": "z"}}})
	if c, err := w.Decode("shard.Assign", nested); err == nil {
		t.Errorf("a field of a target: decoded as %+v", c)
	}
	var rejected *commands.Rejected
	if _, err := w.Decode("membership.Explode", encode(map[string]any{})); !errors.As(err, &rejected) || rejected.Reason != "command_unknown" {
		t.Errorf("a command that is none: %v", err)
	}
	if _, _, err := w.Encode(&membership.Cordon{NodeID: "n1"}); !errors.As(err, &rejected) || rejected.Reason != "command_unknown" {
		t.Errorf("a pointer to a command, which no decider takes: %v", err)
	}
	if _, b, err := w.Encode(shard.Update{Namespace: "a"}); err != nil || !slices.Equal(b, encode(map[string]any{"Namespace": "a"})) {
		t.Errorf("fields that are not set are sent: %x, %v", b, err)
	}
	zero := uint32(0)
	if _, b, err := w.Encode(shard.Update{ShardCount: &zero}); err != nil || !slices.Equal(b, encode(map[string]any{"ShardCount": 0})) {
		t.Errorf("a field that is set to 0: %x, %v", b, err)
	}
}

// FuzzWireDecode: no bytes stop a server, and what is taken for a command is one
// that goes on to the next server unchanged.
func FuzzWireDecode(f *testing.F) {
	w := newWire(f)
	for i, c := range model.Commands() {
		_, b, err := w.Encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, b)
	}
	full := shard.Assign{Namespace: "a", Targets: []shard.Target{{NodeID: "n", Session: 7, Shards: []uint32{1, 2}}}}
	_, b, err := w.Encode(full)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(slices.IndexFunc(model.Commands(), func(c commands.Command) bool { return c.CommandName() == "shard.Assign" }), b)
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		all := model.Commands()
		name := all[int(uint(which)%uint(len(all)))].CommandName()
		c, err := w.Decode(name, b)
		if err != nil {
			return
		}
		_, again, err := w.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Decode(name, again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}

// TestWireForm: testdata/commands.txt has every field that was ever sent between
// servers. A line may come, with -update; none may go or change, or servers of two
// releases misread each other. A new field of a struct inside a command has
// omitempty, as those of commands have by themselves.
func TestWireForm(t *testing.T) {
	lines := map[string]bool{}
	for _, c := range model.Commands() {
		describe(lines, c.CommandName(), reflect.TypeOf(c))
	}
	const golden = "testdata/commands.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(strings.Join(slices.Sorted(maps.Keys(lines)), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, line := range known {
		if !lines[line] {
			t.Errorf("%s has %q, which is no more: fields of commands are append only", golden, line)
		}
		delete(lines, line)
	}
	for line := range lines {
		t.Errorf("%q is new: run this test with -update", line)
	}
}

// describe adds a line for every field below a type.
func describe(lines map[string]bool, path string, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		if t.Elem().Kind() != reflect.Uint8 {
			describe(lines, path, t.Elem())
		}
	case reflect.Struct:
		lines[path] = true
		for i := range t.NumField() {
			f := t.Field(i)
			line := path + "." + f.Name
			kind := strings.TrimSpace(fmt.Sprintf("%s %s", wireKind(f.Type), f.Tag.Get("cbor")))
			lines[line+" "+kind] = true
			describe(lines, line, f.Type)
		}
	}
}

// wireKind names a type by what is sent of it.
func wireKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + wireKind(t.Elem())
	case reflect.Slice:
		return "[]" + wireKind(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), wireKind(t.Elem()))
	case reflect.Map:
		return "map[" + wireKind(t.Key()) + "]" + wireKind(t.Elem())
	}
	return t.Kind().String()
}
