package harness

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running binary.
type Process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when it has ended
}

// maxOutput bounds what is kept of a process's output: the end of it.
const maxOutput = 1 << 20

// shownOutput is how much of that a failed test shows.
const shownOutput = 8 << 10

// Start runs the binary until the test ends, in a home of its own.
func Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	return StartIn(t, t.TempDir(), name, args...)
}

// StartIn runs the binary until the test ends. home is where it finds and keeps
// the user's contexts.
func StartIn(t testing.TB, home, name string, args ...string) *Process {
	t.Helper()
	return start(t, nil, home, name, args...)
}

// start is StartIn, on a thread that has entered where the process is to run;
// nil is here.
func start(t testing.TB, enter func() error, home, name string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: name, cmd: exec.Command(Binary(t), args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.Env = Environ(home)
	wait, err := spawn(p.cmd, enter)
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = wait() // the state says how it ended
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("--- %s: end of its output\n%s", name, p.tail())
		}
	})
	return p
}

// Environ keeps what a process needs of the environment, and no setting of
// ours: the machine's would change what is tested.
func Environ(home string) []string {
	env := []string{"HOME=" + home}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if name != "HOME" && !strings.HasPrefix(name, "OMNIRELAY_") && !strings.HasPrefix(name, "XDG_") {
			env = append(env, entry)
		}
	}
	return env
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends it at once, as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Pause stops it without ending it; Continue lets it go on.
func (p *Process) Pause() { p.Signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (p *Process) Continue() { p.Signal(syscall.SIGCONT) }

// Stop asks it to end, as an operator does, and waits. It fails the test if it
// has not ended within a time.
func (p *Process) Stop(within time.Duration) (code int) {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(within)
}

// Wait waits for its end and returns the exit code.
func (p *Process) Wait(within time.Duration) (code int) {
	p.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-timer.C:
		p.t.Fatalf("%s has not ended within %s", p.name, within)
		return -1
	}
}

// Ended tells whether it is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends a signal; to a process that is gone it does nothing.
func (p *Process) Signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%s: send %s: %v", p.name, s, err)
	}
}

// Output is what it wrote, standard output and error together; the end of it if
// it was much.
func (p *Process) Output() string { return p.out.String() }

func (p *Process) tail() string { return p.out.tail() }

// output keeps the end of what is written to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if over := o.buf.Len() + len(b) - maxOutput; over > 0 {
		o.buf.Next(over)
	}
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail is what a failed test shows.
func (o *output) tail() string {
	all := o.String()
	return all[max(0, len(all)-shownOutput):]
}
