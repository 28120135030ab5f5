package arch_test

import (
	"go/ast"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// eventTypes are the types of the oneof of events, with their field numbers.
func eventTypes() map[string]int {
	fields := (&eventsv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	types := make(map[string]int, fields.Len())
	for i := range fields.Len() {
		types[goType(fields.Get(i))] = int(fields.Get(i).Number())
	}
	return types
}

// goType is the name of an event's message; the generator wraps it in Event_….
func goType(fd protoreflect.FieldDescriptor) string { return string(fd.Message().Name()) }

// owner is the context whose block a field number is in; events/v1/frame.proto
// says so too.
func owner(number int) string {
	blocks := []struct {
		from    int
		context string
	}{
		{10, "control"}, {30, "policy"}, {40, "membership"}, {70, "leadership"}, {100, "shard"},
		{150, "plan"}, {200, "cluster"}, {250, "identity"}, {300, "schedule"},
	}
	context := ""
	for _, b := range blocks {
		if number >= b.from {
			context = b.context
		}
	}
	return context
}

// react lists which other contexts evolve an event beside its owner, and why.
func react() map[string]map[string]string {
	return map[string]map[string]string{
		"SessionClosed": {
			"leadership": "what a session led or wanted ends with it, without an event of its own",
			"shard":      "what a session owned is released with it as its ownership mode says, without an event of its own",
		},
		"PolicySet": {
			"shard": "which death of an owner counts against a shard is evolved, and the policy says which",
		},
	}
}

// unprojected lists the events that no table shows, and why.
func unprojected() map[string]string { return map[string]string{} }

// handled finds the event types that a file names in `case *eventsv1.Event_X`,
// or asserts, in the functions that keep says; nil means all.
func handled(s *source, keep func(string) bool) []string {
	var types []string
	for _, decl := range s.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || keep != nil && !keep(f.Name.Name) {
			continue
		}
		ast.Inspect(f, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CaseClause:
				for _, expr := range n.List {
					types = append(types, s.eventType(expr)...)
				}
			case *ast.TypeAssertExpr:
				types = append(types, s.eventType(n.Type)...)
			}
			return true
		})
	}
	return types
}

// eventType is X of *eventsv1.Event_X.
func (s *source) eventType(expr ast.Expr) []string {
	star, ok := expr.(*ast.StarExpr)
	if !ok {
		return nil
	}
	// The package's name is not the last element of its path.
	selector, ok := star.X.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if pkg, ok := selector.X.(*ast.Ident); !ok || pkg.Name != "eventsv1" {
		return nil
	}
	name, ok := strings.CutPrefix(selector.Sel.Name, "Event_")
	if !ok {
		return nil
	}
	return []string{name}
}

// evolvers says, for each event type, how often each context's Evolve names it.
func evolvers(sources []*source) map[string]map[string]int {
	found := map[string]map[string]int{}
	for _, s := range sources {
		if s.test || !slices.Contains(contexts(), s.folder) {
			continue
		}
		for _, name := range handled(s, func(f string) bool { return f == "Evolve" }) {
			if found[name] == nil {
				found[name] = map[string]int{}
			}
			found[name][path.Base(s.folder)]++
		}
	}
	return found
}

// checkEvolve reports events that their context does not evolve exactly once,
// and those that another context evolves without a reason.
func checkEvolve(sources []*source, types map[string]int, reasons map[string]map[string]string) []finding {
	var found []finding
	report := func(name, text string) { found = append(found, finding{at: "event " + name, text: text}) }
	seen := evolvers(sources)
	for _, name := range slices.Sorted(maps.Keys(types)) {
		own := owner(types[name])
		switch n := seen[name][own]; {
		case n == 0:
			report(name, "context "+own+", in whose block it is, does not evolve it; add its case to Evolve")
		case n > 1:
			report(name, "context "+own+" evolves it more than once")
		}
		for _, context := range slices.Sorted(maps.Keys(seen[name])) {
			if context != own && reasons[name][context] == "" {
				report(name, "context "+context+" evolves it, and it is "+own+"'s; give the reason in react()")
			}
		}
		for _, context := range slices.Sorted(maps.Keys(reasons[name])) {
			if seen[name][context] == 0 {
				report(name, "react() says that context "+context+" evolves it, and it does not")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if _, ok := types[name]; !ok {
			report(name, "is evolved and is no event")
		}
	}
	return found
}

// checkProjected reports events that no table shows. Until there is an apply.go
// there is nothing to be complete.
func checkProjected(sources []*source, types map[string]int, excused map[string]string) []finding {
	shown, views := map[string]bool{}, 0
	for _, s := range sources {
		if !strings.HasPrefix(s.folder, "projections/") || s.base() != "apply.go" {
			continue
		}
		views++
		for _, name := range handled(s, nil) {
			shown[name] = true
		}
	}
	if views == 0 {
		return nil
	}
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(types)) {
		switch {
		case !shown[name] && excused[name] == "":
			found = append(found, finding{at: "event " + name, text: "no projections/*/apply.go has a case for it; " +
				"add one, or give the reason in unprojected()"})
		case shown[name] && excused[name] != "":
			found = append(found, finding{at: "event " + name, text: "unprojected() excuses it, and a table shows it"})
		}
	}
	return found
}

func TestEveryEventIsEvolved(t *testing.T) {
	report(t, checkEvolve(repository(t), eventTypes(), react()))
}

func TestEveryEventIsProjected(t *testing.T) {
	report(t, checkProjected(repository(t), eventTypes(), unprojected()))
}

// TestEveryEventIsDescribed wants a case in Describe, by the source: what a
// description says is tested beside it.
func TestEveryEventIsDescribed(t *testing.T) {
	described := map[string]int{}
	for _, s := range repository(t) {
		if s.name == "events/describe.go" {
			for _, name := range handled(s, nil) {
				described[name]++
			}
		}
	}
	for name := range eventTypes() {
		if described[name] != 1 {
			t.Errorf("events/describe.go has %d cases for %s, want one", described[name], name)
		}
	}
}

// TestEveryEventHasGolden wants the stored bytes of each type; what they say is
// tested in package events.
func TestEveryEventHasGolden(t *testing.T) {
	types := eventTypes()
	for name := range types {
		if _, err := os.Stat(filepath.Join("..", "..", "events", "testdata", name+".json")); err != nil {
			t.Errorf("event %s has no golden: %v; run go test ./events -fill", name, err)
		}
	}
	goldens, err := filepath.Glob("../../events/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, golden := range goldens {
		name, _, _ := strings.Cut(filepath.Base(golden), ".")
		if _, ok := types[name]; !ok {
			t.Errorf("golden %s is of no event type; types are kept for ever", filepath.Base(golden))
		}
	}
}

// TestEventBlocks: every field number is in the block of a context that stands
// on the ladder.
func TestEventBlocks(t *testing.T) {
	for name, number := range eventTypes() {
		if !slices.Contains(contexts(), "commands/"+owner(number)) {
			t.Errorf("event %s has number %d, in the block of %q, which is no context", name, number, owner(number))
		}
	}
}
