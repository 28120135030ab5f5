package faultproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// within bounds what should happen at once: the machine may be busy. quiet is
// how long nothing is waited for; too short a time misses a fault, and never
// invents one.
const (
	within = 30 * time.Second
	quiet  = 50 * time.Millisecond
)

// echo is a TCP server that gives back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	return serve(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) })
}

// serve is a TCP server that handles each connection and closes it.
func serve(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // the test looks at the other end
				handle(c.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

// tcp is a proxy to a target, closed by the test's end.
func tcp(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.ListenTCP(target)
	return closed(t, p, err)
}

// udp is a proxy to a UDP server that gives back what it gets.
func udp(t *testing.T) *faultproxy.Proxy {
	t.Helper()
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			_, _ = server.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	p, err := faultproxy.ListenUDP(server.LocalAddr().String())
	return closed(t, p, err)
}

func closed(t *testing.T, p *faultproxy.Proxy, err error) *faultproxy.Proxy {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// dial connects to a proxy.
func dial(t *testing.T, network string, p *faultproxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial(network, p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// receive waits for exactly this text.
func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("received %q, want %q: %v", got, want, err)
	}
}

// ask sends and waits for the echo, and says how long that took.
func ask(t *testing.T, c net.Conn, text string) time.Duration {
	t.Helper()
	began := time.Now()
	send(t, c, text)
	receive(t, c, text)
	return time.Since(began)
}

// silent checks that a connection is open and that nothing comes.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(quiet))
	var b [1]byte
	if n, err := c.Read(b[:]); !errors.Is(err, syscall.ETIMEDOUT) && !isTimeout(err) {
		t.Fatalf("read %d bytes, error %v; want silence", n, err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// reset checks that a connection ends by a reset.
func reset(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the connection ended with %v, want a reset", err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

// goroutines are the stacks that are in this package's code.
func goroutines() string {
	buf := make([]byte, 1<<20)
	var ours []string
	for _, stack := range bytes.Split(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
		if bytes.Contains(stack, []byte("faultproxy.(*")) || bytes.Contains(stack, []byte("faultproxy.read")) {
			ours = append(ours, string(stack))
		}
	}
	return strings.Join(ours, "\n\n")
}
