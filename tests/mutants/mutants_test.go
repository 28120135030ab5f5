// Package mutants proves that the mechanisms of the core carry weight: each
// mutation removes one of them, and a named test must then fail.
//
//  1. A mutation whose text is not in its file exactly once fails: the list is
//     kept true when the code changes.
//  2. A mutation that does not compile, or whose test does not run, fails.
//  3. A test that fails without the mutation kills nothing: each is run on the
//     sources as they are first.
//  4. A mutation that survives fails. It is a finding: the mechanism is not
//     needed, or a test is missing.
//
// Sources are never written to: each mutation is an overlay of the build. It
// takes minutes, and runs when OMNIRELAY_MUTANTS=1 is set; without it only (1) is checked:
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
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sound := map[string]error{}
	for _, list := range [][]mutant{ofSequencer(), ofAuthority(), ofSnapshots(), ofLog(), ofLeases(), ofMembers(), ofDeciders(), ofControllers(), ofRestores(), ofSeals(), ofArchives(), ofCluster(), ofModes(), ofDrains(), ofLater()} {
		for _, m := range list {
			if os.Getenv("OMNIRELAY_MUTANTS") == "" { // the short form: the list is true
				if _, err := m.mutated(root); err != nil {
					t.Errorf("%s: %v", m.name, err)
				}
				continue
			}
			t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) { m.run(t, root, sound) })
		}
	}
}

// mutated is the text of the file with the mutation.
func (m mutant) mutated(root string) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	text := string(source)
	for i := 0; i < len(m.edits); i += 2 {
		if n := strings.Count(text, m.edits[i]); n != 1 {
			return "", fmt.Errorf("%s has this text %d times, want once:\n%s", m.file, n, m.edits[i])
		}
		text = strings.Replace(text, m.edits[i], m.edits[i+1], 1)
	}
	return text, nil
}

// run applies the mutation in an overlay and wants its test to fail, which must
// pass without it. sound keeps what is known of tests without a mutation.
func (m mutant) run(t *testing.T, root string, sound map[string]error) {
	if err := m.baseline(t, root, sound); err != nil {
		t.Fatal(err)
	}
	text, err := m.mutated(root)
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(root, m.file)
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
	out, failed := m.check(t, root, "-overlay", overlay)
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

// baseline runs the named test, once, on the sources as they are.
func (m mutant) baseline(t *testing.T, root string, sound map[string]error) error {
	name := m.pkg + " " + m.test
	if _, known := sound[name]; !known {
		sound[name] = nil
		if out, failed := m.check(t, root); failed || strings.Contains(out, "no tests to run") {
			sound[name] = fmt.Errorf("%s does not pass without the mutation:\n%s", name, out)
		}
	}
	return sound[name]
}

// check runs the named test.
func (m mutant) check(t *testing.T, root string, flags ...string) (out string, failed bool) {
	args := append([]string{"test", "-vet=off", "-timeout=120s", "-run", m.test}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./"+m.pkg)...)
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
