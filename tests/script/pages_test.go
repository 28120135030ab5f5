package script_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// pageWithin bounds all commands of one page.
const pageWithin = 2 * time.Minute

// step is a command of a page with the output that is shown for it, in which …
// stands for anything.
type step struct {
	line    int
	command string
	output  []string
}

// console finds the steps in the ```console blocks of a page. A command goes on in
// lines that begin with the prompt of a shell that waits for more.
func console(page string) []step {
	var steps []step
	inside := false
	for i, line := range strings.Split(page, "\n") {
		command, prompt := strings.CutPrefix(line, "$ ")
		more, continues := strings.CutPrefix(line, "> ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && prompt:
			steps = append(steps, step{line: i + 1, command: command})
		case inside && continues && len(steps) > 0 && len(steps[len(steps)-1].output) == 0:
			steps[len(steps)-1].command += "\n" + more
		case inside && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.output = append(last.output, line)
		}
	}
	return steps
}

// script runs all steps in one shell, as a reader would, with the output of each
// in a file of its own, and ends at the first that fails. What they started ends
// with it.
func script(steps []step) string {
	var b strings.Builder
	b.WriteString("set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	for i, s := range steps {
		fmt.Fprintf(&b, "echo %d > at\n", i)
		if background, ok := strings.CutSuffix(s.command, "&"); ok {
			fmt.Fprintf(&b, "%s > out.%d 2>&1 &\n", background, i)
			continue
		}
		fmt.Fprintf(&b, "{ %s\n} > out.%d 2>&1\n", s.command, i)
	}
	return b.String()
}

// shown reports whether an output is what the page shows.
func (s step) shown(output string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.Join(s.output, "\n")), "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimRight(output, "\n"))
}

// TestPages runs every page of the documentation that has console blocks.
func TestPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	ran := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if steps := console(string(text)); len(steps) > 0 {
			ran++
			t.Run(filepath.Base(page), func(t *testing.T) {
				t.Parallel()
				runPage(t, page, steps)
			})
		}
	}
	if ran == 0 {
		t.Error("no page has a console block, so the search is broken")
	}
}

// addresses gives each loopback address of a page a free one.
func addresses(t *testing.T, text string) map[string]string {
	t.Helper()
	free, taken := map[string]string{}, map[string]bool{}
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]*`).FindAllString(text, -1) {
		for free[address] == "" {
			if a := harness.FreeAddress(t); !taken[a] && !strings.Contains(text, a) {
				free[address], taken[a] = a, true
			}
		}
	}
	return free
}

// buildSamples builds the samples that a page runs, beside the binary.
func buildSamples(t *testing.T, dir, text string) {
	t.Helper()
	samples, err := filepath.Glob("../e2e/sample/*")
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, sample := range samples {
		name := filepath.Base(sample)
		if !regexp.MustCompile(`(?m)(^|[;{&|]) *` + name + ` --`).MatchString(text) {
			continue
		}
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), sample)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the sample %s: %v\n%s", name, err, out)
		}
	}
}

func runPage(t *testing.T, page string, steps []step) {
	dir := t.TempDir()
	if err := os.Symlink(harness.Binary(t), filepath.Join(dir, "omnirelay")); err != nil {
		t.Fatal(err)
	}
	buildSamples(t, dir, script(steps))
	ctx, cancel := context.WithTimeout(t.Context(), pageWithin)
	defer cancel()
	for from, to := range addresses(t, script(steps)) {
		for i := range steps {
			steps[i].command = strings.ReplaceAll(steps[i].command, from, to)
		}
	}
	shell := exec.CommandContext(ctx, "bash", "-c", script(steps))
	shell.Dir = filepath.Join(dir, "work")
	if err := os.Mkdir(shell.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	shell.Env = append(harness.Environ(dir), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	// An interrupt lets the shell end what it started.
	shell.Cancel = func() error { return shell.Process.Signal(os.Interrupt) }
	shell.WaitDelay = 10 * time.Second
	failed, err := shell.CombinedOutput()
	for i, s := range steps {
		output, readErr := os.ReadFile(filepath.Join(shell.Dir, fmt.Sprintf("out.%d", i)))
		switch {
		case readErr != nil:
			t.Fatalf("%s:%d: %s did not run; the one before ended the page: %v %s", page, s.line, s.command, err, failed)
		case strings.HasSuffix(s.command, "&"): // a server says what it likes
		case !s.shown(string(output)):
			t.Errorf("%s:%d: $ %s\nprints\n%s\nthe page shows\n%s", page, s.line, s.command, output, strings.Join(s.output, "\n"))
		}
	}
	if err != nil {
		at, _ := os.ReadFile(filepath.Join(shell.Dir, "at"))
		t.Errorf("%s: step %s ended the page: %v %s", page, bytes.TrimSpace(at), err, failed)
	}
}
