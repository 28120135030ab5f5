package harness

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// startWithin bounds a start on a busy machine.
const startWithin = 30 * time.Second

// Server is an `omnirelay serve` with its directory.
type Server struct {
	*Process
	Name    string // "" is s1
	Data    string
	Address string
	args    []string
	// enter puts a thread where the server is to run; nil is here.
	enter func() error
	// outside is the address from here, if it is another.
	outside string
}

// StartServer starts a server with a directory of the test's, waits until it is
// ready, and returns it. args are more flags.
func StartServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{Data: filepath.Join(t.TempDir(), "server"), Address: FreeAddress(t), args: args}
	s.Restart(t)
	return s
}

// Restart starts the server again on its directory and address, and waits until
// it is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Launch(t)
	s.AwaitReady(t)
}

// Launch starts the server and waits for nothing.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	s.LaunchWith(t)
}

// LaunchWith is Launch with more flags, this time.
func (s *Server) LaunchWith(t testing.TB, more ...string) {
	t.Helper()
	name := cmp.Or(s.Name, "s1")
	s.Process = start(t, s.enter, t.TempDir(), "serve "+name, append([]string{"serve", "--insecure", "--name", name, "--cluster", "c1",
		"--data", s.Data, "--http", s.Address}, append(slices.Clone(s.args), more...)...)...)
}

// URL of the server.
func (s *Server) URL() string { return "http://" + cmp.Or(s.outside, s.Address) }

// AwaitReady waits until /readyz says so.
func (s *Server) AwaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, startWithin, "the server is ready", func() error {
		if s.Ended() {
			t.Fatalf("the server ended:\n%s", s.tail())
		}
		res, err := http.Get(s.URL() + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close() //nolint:errcheck // nothing was written
		body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
		return err
	})
}

// StartAgent starts an `omnirelay agent` of a node. Its directory is kept under
// data, so that the same node can be started again.
func StartAgent(t testing.TB, s *Server, data, node string, args ...string) *Process {
	t.Helper()
	return Start(t, node, append([]string{"agent", "--insecure", "--endpoint", s.URL(), "--node-id", node,
		"--data", filepath.Join(data, node)}, args...)...)
}

// Memory is the resident set of a process, as the kernel says it, and "unknown"
// where it does not.
func (p *Process) Memory() string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}
