// Package mutants proves that the mechanisms of the core carry weight: each
// mutation removes one of them, and a named test must then fail.
//
//  1. A mutation whose text is not in its file exactly once fails: the list is
//     kept true when the code changes.
//  2. A mutation that does not compile, or whose test does not run, fails.
//  3. A mutation that survives fails. It is a finding: the mechanism is not
//     needed, or a test is missing.
//
// Sources are never written to: each mutation is an overlay of the build. It
// takes minutes, and runs when OMNIRELAY_MUTANTS=1 is set:
//
//	task mutants
//	OMNIRELAY_MUTANTS=1 go test -v ./tests/mutants -run 'TestMutants/lease'
package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is one mechanism taken away.
type mutant struct {
	name string // what the mutated code does
	file string // from the root of the repository
	// edits are pairs of old and new text.
	edits []string
	pkg   string
	test  string // as go test -run takes it
}

// TestMutants kills every mutant.
func TestMutants(t *testing.T) {
	if os.Getenv("OMNIRELAY_MUTANTS") == "" {
		t.Skip("set OMNIRELAY_MUTANTS=1: it builds and runs tests for each mutation, which takes minutes")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]mutant{ofSequencer(), ofAuthority(), ofSnapshots(), ofLog(), ofLeases(), ofMembers(), ofDeciders(), ofControllers()} {
		for _, m := range list {
			t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) { m.run(t, root) })
		}
	}
}

// run applies the mutation in an overlay and wants its test to fail.
func (m mutant) run(t *testing.T, root string) {
	original := filepath.Join(root, m.file)
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for i := 0; i < len(m.edits); i += 2 {
		if n := strings.Count(text, m.edits[i]); n != 1 {
			t.Fatalf("%s has this text %d times, want once:\n%s", m.file, n, m.edits[i])
		}
		text = strings.Replace(text, m.edits[i], m.edits[i+1], 1)
	}
	dir := t.TempDir()
	mutated, overlay := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{mutated: []byte(text), overlay: replace} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, failed := m.check(t, root, overlay)
	switch {
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		t.Fatalf("the mutation does not compile:\n%s", out)
	case strings.Contains(out, "no tests to run"):
		t.Fatalf("%s has no test %s", m.pkg, m.test)
	case !failed:
		t.Fatalf("it survives %s of %s", m.test, m.pkg)
	}
	t.Logf("killed: %s", firstFailure(out))
}

// check runs the named test on the overlay.
func (m mutant) check(t *testing.T, root, overlay string) (out string, failed bool) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-vet=off", "-timeout=120s", "-run", m.test, "./"+m.pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "OMNIRELAY_MUTANTS=")
	b, err := cmd.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Fatalf("go test: %v", err)
	}
	return string(b), err != nil
}

// firstFailure is the line that says what failed.
func firstFailure(out string) string {
	for line := range strings.Lines(out) {
		for _, sign := range []string{"_test.go:", "panic:", "seed "} {
			if strings.Contains(line, sign) {
				return strings.TrimSpace(line)
			}
		}
	}
	return fmt.Sprintf("%.200s", out)
}
