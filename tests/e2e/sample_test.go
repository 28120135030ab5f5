package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// buildSample builds one of the sample programs.
func buildSample(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./sample/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the sample: %v\n%s", err, out)
	}
	return path
}

// sample is a running process of the sample.
type sample struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

func startSample(t *testing.T, path, name string, args ...string) *sample {
	t.Helper()
	p := &sample{t: t, name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = harness.Environ(t.TempDir()), p, p
	wait, err := spawnSample(p.cmd)
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		_ = wait() // killed, as a rule
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			all := p.output()
			t.Logf("--- %s: end of its output\n%s", name, all[max(0, len(all)-4096):])
		}
	})
	return p
}

// Write implements io.Writer.
func (p *sample) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *sample) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *sample) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s: send %s: %v", p.name, s, err)
	}
}

func (p *sample) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.done
}

// says waits until a text is in the output for the nth time.
func (p *sample) says(text string, n int) {
	p.t.Helper()
	harness.Eventually(p.t, settle, p.name+" says "+text, func() error {
		if got := strings.Count(p.output(), text); got < n {
			return fmt.Errorf("%d times, want %d", got, n)
		}
		return nil
	})
}

// line is one of the resource's file.
type line struct {
	fence  int64
	number int
	node   string
}

func readLines(t *testing.T, path string) []line {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for text := range strings.Lines(string(data)) {
		var l line
		if _, err := fmt.Sscanf(text, "%d %d %s\n", &l.fence, &l.number, &l.node); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		all = append(all, l)
	}
	return all
}

// linesPerTerm are waited for in each term.
const linesPerTerm = 10

// awaitLinesOf waits until the newest lines are a node's, with a fence above
// another, and returns its fence.
func awaitLinesOf(t *testing.T, path, node string, above int64) (fence int64) {
	t.Helper()
	harness.Eventually(t, settle, node+" writes", func() error {
		all := readLines(t, path)
		if len(all) < linesPerTerm {
			return fmt.Errorf("%d lines", len(all))
		}
		for _, l := range all[len(all)-linesPerTerm:] {
			if l.node != node || l.fence <= above {
				return fmt.Errorf("%+v is among the newest", l)
			}
		}
		fence = all[len(all)-1].fence
		return nil
	})
	return fence
}

// TestSampleLeader: leaders are paused, woken and killed, and their resource is
// killed too; one leads after the other, and the resource's lines show it (L2,
// L3, L6).
func TestSampleLeader(t *testing.T) {
	t.Parallel()
	program := buildSample(t, "leader")
	s := harness.StartServer(t, "--session-ttl", ttl.String())
	data, address := t.TempDir(), harness.FreeAddress(t)
	lines := filepath.Join(data, "resource", "lines")
	startResource := func() *sample {
		r := startSample(t, program, "resource", "resource", "--listen", address, "--data", filepath.Join(data, "resource"))
		r.says("listening", 1)
		return r
	}
	worker := func(node string, args ...string) *sample {
		return startSample(t, program, node, append([]string{"worker", "--endpoint", s.URL(), "--node-id", node,
			"--data", filepath.Join(data, node), "--resource", "http://" + address}, args...)...)
	}
	resource := startResource()
	n1 := worker("n1", "--careless")
	first := awaitLinesOf(t, lines, "n1", 0)
	n2 := worker("n2")
	var members struct {
		Items []struct{ NodeID, Status string }
	}
	harness.Eventually(t, settle, "n2 has joined", func() error {
		if s.JSON(t, &members, "mesh", "peers", "list"); !strings.Contains(fmt.Sprint(members), "{n2 alive}") {
			return fmt.Errorf("peers are %v", members)
		}
		return nil
	})

	// One that looks at no lease sleeps, and wakes as a former leader.
	n1.signal(syscall.SIGSTOP)
	second := awaitLinesOf(t, lines, "n2", first)
	n1.signal(syscall.SIGCONT)
	n1.says("refused stale_fence", 1)
	resource.says(" 409 fence "+strconv.FormatInt(first, 10), 1)

	// One that looks at it finds out by itself: nothing of it is refused.
	n2.signal(syscall.SIGSTOP)
	third := awaitLinesOf(t, lines, "n1", second)
	n2.signal(syscall.SIGCONT)
	n2.says("ended: ", 1)
	if strings.Contains(resource.output(), "fence "+strconv.FormatInt(second, 10)+"\n") || strings.Contains(n2.output(), "refused") {
		t.Errorf("n2 sent something after its lease:\n%s\n%s", n2.output(), resource.output())
	}

	// The resource dies while the former leader sleeps, and its successor too:
	// only the resource's file knows.
	n1.signal(syscall.SIGSTOP)
	fourth := awaitLinesOf(t, lines, "n2", third)
	n2.kill()
	resource.kill()
	resource = startResource()
	n1.signal(syscall.SIGCONT)
	n1.says("refused stale_fence", 2)
	resource.says(" 409 fence "+strconv.FormatInt(third, 10), 1)
	awaitLinesOf(t, lines, "n1", fourth)

	owner, before := map[int64]string{}, line{}
	for _, l := range readLines(t, lines) {
		if l.fence < before.fence {
			t.Errorf("%+v after %+v: a fence fell (L3)", l, before)
		}
		if l.number != before.number+1 {
			t.Errorf("%+v after %+v: numbers have a gap or come twice", l, before)
		}
		if had := owner[l.fence]; had != "" && had != l.node {
			t.Errorf("%+v: the fence was %s's", l, had)
		}
		owner[l.fence], before = l.node, l
	}
	t.Logf("%d lines of %d terms", before.number, len(owner))
}
