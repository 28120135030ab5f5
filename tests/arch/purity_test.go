package arch_test

import (
	"go/ast"
	"slices"
	"testing"
)

// impure are the imports by which a rule could see more than its arguments.
func impure() []string {
	return []string{
		"os", "os/*", "net", "net/*", "net/*/*", "sync", "sync/*", "syscall",
		"math/rand", "math/rand/*", "crypto/rand", "log", "log/*",
	}
}

// clocks are the functions of package time that read the clock or wait for it.
// The types, and arithmetic on times that were handed in, are welcome.
func clocks() []string {
	return []string{
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc",
		"Tick", "NewTicker", "NewTimer",
	}
}

// pureFile tells whether a file must be pure: all of rungs 0 and 1, and the
// files elsewhere whose name says so. Tests and what supports them may read
// goldens.
func pureFile(s *source, rungs map[string]int) bool {
	if s.generated || s.testSupport() {
		return false
	}
	if rung, known := rungs[s.folder]; known && rung <= 1 {
		return true
	}
	return slices.Contains([]string{"step.go", "apply.go", "plan.go"}, s.base())
}

// checkPurity reports what a pure file imports or calls that it must not.
func checkPurity(sources []*source, table []place) []finding {
	rungs := make(map[string]int, len(table))
	for _, p := range table {
		rungs[p.folder] = p.rung
	}
	var found []finding
	for _, s := range sources {
		if !pureFile(s, rungs) {
			continue
		}
		for _, i := range s.imports() {
			if matches(impure(), i.path) {
				found = append(found, s.at(i.spec, "imports %s, but this file is pure: "+
					"what it needs is an argument", i.path))
			}
			if i.spec.Name != nil && i.spec.Name.Name == "." {
				found = append(found, s.at(i.spec, "imports %s with a dot, which hides what it calls", i.path))
			}
		}
		found = append(found, clockUses(s)...)
	}
	return found
}

// clockUses reports each mention of a clock function, called or passed on.
func clockUses(s *source) []finding {
	var found []finding
	ast.Inspect(s.file, func(node ast.Node) bool {
		expr, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if name, ok := s.selects(expr, "time"); ok && slices.Contains(clocks(), name) {
			found = append(found, s.at(node, "uses time.%s, but this file is pure: time is an argument", name))
		}
		return true
	})
	return found
}

func TestPurity(t *testing.T) {
	report(t, checkPurity(repository(t), ladder()))
}
