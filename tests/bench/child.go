package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a process of ours. It ends with this one.
type child struct {
	cmd  *exec.Cmd
	done chan error
	tail *tail
}

// endWithin bounds how long a child may take to end when asked.
const endWithin = 20 * time.Second

// spawn starts a process; onLine, if set, is given each line of its standard
// output until it returns false.
func spawn(cmd *exec.Cmd, onLine func(string) bool) (*child, error) {
	c := &child{cmd: cmd, done: make(chan error, 1), tail: &tail{}}
	cmd.Stderr = c.tail
	var out io.Reader
	if onLine == nil {
		cmd.Stdout = c.tail
	} else {
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		out = pipe
	}
	started := make(chan error, 1)
	go func() {
		// The kernel kills the child when the thread that forked it dies, so the
		// thread is this goroutine's own for as long as the child lives.
		runtime.LockOSThread()
		dieWithParent(cmd)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if out != nil {
			s := bufio.NewScanner(out)
			for s.Scan() && onLine(s.Text()) {
			}
			_, _ = io.Copy(io.Discard, out)
		}
		c.done <- cmd.Wait()
		close(c.done)
	}()
	return c, <-started
}

// stop asks the process to end and waits; one that does not is killed.
func (c *child) stop() error {
	return c.end(syscall.SIGTERM)
}

// kill ends it at once.
func (c *child) kill() error { return c.end(syscall.SIGKILL) }

func (c *child) end(sig os.Signal) error {
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("process %d did not end within %s and was killed", c.cmd.Process.Pid, endWithin), c.cmd.Process.Kill())
	}
}

// resident is the memory that the process has now, in bytes.
func (c *child) resident() (float64, error) {
	path := fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid)
	kb, ok := strings.CutSuffix(firstField(path, "VmRSS"), " kB")
	if !ok {
		return 0, fmt.Errorf("%s has no VmRSS in kB", path)
	}
	n, err := strconv.ParseFloat(kb, 64)
	return n * 1024, err
}

// processor is what the process has used of the processors so far.
func (c *child) processor() (time.Duration, error) { return processorTimeOf(c.cmd.Process.Pid) }

// tail keeps the end of what a child writes, for its error.
type tail struct{ buf bytes.Buffer }

// Write implements io.Writer. exec calls it from one goroutine.
func (t *tail) Write(b []byte) (int, error) {
	if t.buf.Len() > 64<<10 {
		t.buf.Next(t.buf.Len() - 16<<10)
	}
	return t.buf.Write(b)
}

// server is `omnirelay serve`, or etcd.
type server struct {
	*child
	url  string
	data string
	// began is when the process was started, readyAfter the time from then to its
	// readiness, which ready waits for.
	began      time.Time
	readyAfter time.Duration
	ready      func(context.Context) error
}

// await waits until the server is ready; one that does not become so is killed.
func (s *server) await(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return errors.Join(err, s.kill(), errors.New(s.tail.buf.String()))
	}
	s.readyAfter = time.Since(s.began)
	return nil
}

// startWithin bounds a start.
const startWithin = 2 * time.Minute

// build compiles the command as it is shipped, once per run.
func (r *run) build(ctx context.Context) (string, error) {
	if r.binary != "" {
		return r.binary, nil
	}
	path := filepath.Join(r.dir, "omnirelay")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version=bench", "-o", path, "./cmd/omnirelay")
	cmd.Dir, cmd.Env = repository(), append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build omnirelay: %w\n%s", err, out)
	}
	r.binary = path
	return path, nil
}

// repository is two folders above this file.
func repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// serve starts our server on a directory and waits until it is ready.
func (r *run) serve(ctx context.Context, data string, ttl time.Duration) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s, err := r.launch(ctx, serveConfig{name: "s1", address: address, data: data, ttl: ttl})
	if err != nil {
		return nil, err
	}
	return s, s.await(ctx)
}

// benchTTL is that of sessions whose nodes send no heartbeats: longer than any
// group.
const benchTTL = time.Hour

// serveConfig is a server of ours, alone or one of several: then route is its
// address for the others, and peers are those of all.
type serveConfig struct {
	name, address, data string
	ttl                 time.Duration // of sessions
	route               string
	peers               []string
}

// launch starts our server and does not wait for it. Log lines are at the level
// of a production server.
func (r *run) launch(ctx context.Context, cfg serveConfig) (*server, error) {
	binary, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "serve", "--insecure", "--name", cfg.name, "--cluster", "c1", "--data", cfg.data,
		"--http", cfg.address, "--session-ttl", cfg.ttl.String(), "--log-level", "warn")
	if len(cfg.peers) > 0 {
		cmd.Args = append(cmd.Args, "--route", cfg.route, "--peers", strings.Join(cfg.peers, ","))
	}
	cmd.Env = plainEnvironment(r.dir)
	s := &server{url: "http://" + cfg.address, data: cfg.data, began: time.Now()}
	s.ready = s.awaitReady
	s.child, err = spawn(cmd, nil)
	return s, err
}

// plainEnvironment has no setting of ours but the folder of contexts.
func plainEnvironment(home string) []string {
	env := []string{"HOME=" + home}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if name != "HOME" && !strings.HasPrefix(name, "OMNIRELAY_") && !strings.HasPrefix(name, "XDG_") {
			env = append(env, e)
		}
	}
	return env
}

func (s *server) awaitReady(ctx context.Context) error {
	return eventually(ctx, startWithin, "the server is ready", func() error {
		select {
		case err := <-s.done:
			return &fatal{fmt.Errorf("it ended: %v", err)}
		default:
		}
		res, err := http.Get(s.url + "/readyz")
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
		return errors.Join(err, res.Body.Close())
	})
}

// fatal ends an eventually at once.
type fatal struct{ error }

// eventually waits until a condition returns nil.
func eventually(ctx context.Context, within time.Duration, what string, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if over := (*fatal)(nil); errors.As(err, &over) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, within, err)
		}
	}
}

// freeAddress is one of this machine alone that nobody listens on.
func freeAddress() (string, error) {
	a, err := freeAddresses(1)
	if err != nil {
		return "", err
	}
	return a[0], nil
}

// freeAddresses are different ones.
func freeAddresses(n int) (addresses []string, err error) {
	for range n {
		l, listenErr := net.Listen("tcp", "127.0.0.1:0")
		if listenErr != nil {
			return nil, errors.Join(err, listenErr)
		}
		defer func() { err = errors.Join(err, l.Close()) }() // all are held until the last is found
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, err
}
