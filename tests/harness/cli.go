package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// cliWithin bounds one call of the command line.
const cliWithin = 30 * time.Second

// Result is what a command line did.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// CLI runs `omnirelay args…` against a server and waits for its end.
func (s *Server) CLI(t testing.TB, args ...string) Result {
	t.Helper()
	return CLI(t, append(Environ(t.TempDir()), "OMNIRELAY_ENDPOINT="+s.URL()), args...)
}

// CLI runs `omnirelay args…` with an environment and waits for its end.
func CLI(t testing.TB, env []string, args ...string) Result {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), cliWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, env
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("omnirelay %v: %v", args, err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// MustCLI runs a command line that must succeed and returns its standard output.
func (s *Server) MustCLI(t testing.TB, args ...string) string {
	t.Helper()
	r := s.CLI(t, args...)
	if r.Code != 0 {
		t.Fatalf("omnirelay %v: exit code %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Try runs a command line, and returns what it says when it does not succeed.
func (s *Server) Try(t testing.TB, args ...string) error {
	t.Helper()
	if r := s.CLI(t, args...); r.Code != 0 {
		return fmt.Errorf("omnirelay %v: exit code %d: %s", args, r.Code, r.Stderr)
	}
	return nil
}

// JSON runs a command line with -o json and decodes its output into v.
func (s *Server) JSON(t testing.TB, v any, args ...string) {
	t.Helper()
	out := s.MustCLI(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("omnirelay %v: %v in:\n%s", args, err, out)
	}
}
