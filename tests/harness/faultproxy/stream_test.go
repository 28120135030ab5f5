package faultproxy_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// TestCarries: much, both ways, and the end of one direction does not end the
// other.
func TestCarries(t *testing.T) {
	t.Parallel()
	p := tcp(t, serve(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		_, _ = fmt.Fprintf(c, "%x", sha256.Sum256(all))
	}))
	c := dial(t, "tcp", p)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	if _, err := c.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if want := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || string(got) != want {
		t.Fatalf("received %q, want %q: %v", got, want, err)
	}
	if up, down := p.Counts(Up), p.Counts(Down); up != (Counts{Carried: int64(len(data))}) || down != (Counts{Carried: 64}) {
		t.Errorf("counted up %+v, down %+v", up, down)
	}
}

// TestCut: what is sent vanishes, the connection stays open, and is reset when
// the cut ends, because its stream has a hole; new ones are as before.
func TestCut(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]Direction{"up": Up, "down": Down} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tcp(t, echo(t))
			c := dial(t, "tcp", p)
			ask(t, c, "before")
			p.Set(d, Fault{Cut: true})
			send(t, c, "during")
			eventually(t, "the bytes vanish", func() bool { return p.Counts(d).Lost == 6 })
			silent(t, c)
			p.Heal()
			reset(t, c)
			ask(t, dial(t, "tcp", p), "after")
		})
	}
}

// TestCutWhileUnderWay: what left before the cut and has not arrived vanishes.
func TestCutWhileUnderWay(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	ask(t, c, "before") // the whole way is open
	p.Set(Up, Fault{Delay: time.Hour})
	send(t, c, "slow")
	p.Set(Up, Fault{Cut: true})
	eventually(t, "the bytes vanish", func() bool { return p.Counts(Up).Lost == 4 })
}

// TestCutOfTheIdle: a connection that lost nothing outlives a cut.
func TestCutOfTheIdle(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	ask(t, c, "before")
	p.SetBoth(Fault{Cut: true})
	silent(t, c)
	p.Heal()
	ask(t, c, "after")
}

// TestCutHidesTheEnd: during a cut nobody learns that the other is gone.
func TestCutHidesTheEnd(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	p := tcp(t, serve(t, func(c *net.TCPConn) {
		_, _ = io.CopyN(c, c, 6)
		<-leave
	}))
	c := dial(t, "tcp", p)
	ask(t, c, "before")
	p.SetBoth(Fault{Cut: true})
	close(leave)
	silent(t, c)
	p.Heal()
	reset(t, c)
}

// TestCutOfTheNew: a connection that is made during a cut leads nowhere.
func TestCutOfTheNew(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	p.Set(Down, Fault{Cut: true})
	c := dial(t, "tcp", p)
	send(t, c, "hello")
	silent(t, c)
	p.Heal()
	reset(t, c)
}

// TestHold: nothing arrives, and then all of it.
func TestHold(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	ask(t, c, "before")
	p.Set(Up, Fault{Hold: true})
	send(t, c, "held")
	silent(t, c)
	p.Heal()
	receive(t, c, "held")
}

// TestHoldIsBounded: who sends for ever is stopped at some point.
func TestHoldIsBounded(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	p.Set(Up, Fault{Hold: true})
	c := dial(t, "tcp", p)
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	if n, err := c.Write(make([]byte, 64<<20)); !isTimeout(err) {
		t.Errorf("%d bytes were taken: %v", n, err)
	}
}

// TestDelay: no answer comes earlier than both delays, and a delay that ends
// holds nothing back.
func TestDelay(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	p.Set(Up, Fault{Delay: 30 * time.Millisecond, Jitter: 10 * time.Millisecond})
	p.Set(Down, Fault{Delay: 50 * time.Millisecond})
	if took := ask(t, c, "slow"); took < 80*time.Millisecond {
		t.Errorf("an answer after %s, 80ms is the least", took)
	}
	p.SetBoth(Fault{Delay: time.Hour})
	send(t, c, "at last")
	silent(t, c)
	p.Heal()
	receive(t, c, "at last")
}

// TestJitterKeepsTheOrderOfStreams.
func TestJitterKeepsTheOrderOfStreams(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	p.SetBoth(Fault{Jitter: 5 * time.Millisecond})
	c := dial(t, "tcp", p)
	var want strings.Builder
	for i := range 200 {
		send(t, c, fmt.Sprintln(i))
		fmt.Fprintln(&want, i)
	}
	receive(t, c, want.String())
}

// TestLossOfStreams: nothing is lost for good, it comes late.
func TestLossOfStreams(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	p.SetBoth(Fault{Loss: 1})
	if took := ask(t, c, "again"); took < 400*time.Millisecond {
		t.Errorf("an answer after %s, 400ms is the least", took)
	}
}

// TestRate: all connections share it.
func TestRate(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	p.Set(Up, Fault{Rate: 100_000})
	began := time.Now()
	one, two := dial(t, "tcp", p), dial(t, "tcp", p)
	text := strings.Repeat("x", 10_000)
	send(t, one, text)
	send(t, two, text)
	receive(t, one, text)
	receive(t, two, text)
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("20,000 bytes after %s, 200ms is the least at 100,000 a second", took)
	}
	p.Set(Up, Fault{Rate: 1})
	send(t, one, text)
	p.Set(Up, Fault{Rate: 1 << 30})
	receive(t, one, text)
}

func TestReset(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	ask(t, c, "before")
	p.Reset()
	reset(t, c)
	ask(t, dial(t, "tcp", p), "after")
	if got := p.Opened(); got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	p := tcp(t, echo(t))
	c := dial(t, "tcp", p)
	ask(t, c, "before")
	p.Refuse()
	reset(t, c)
	refused(t, p)
	p.Heal()
	ask(t, dial(t, "tcp", p), "after")
}

// TestTargetIsGone: it shows as a reset.
func TestTargetIsGone(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := tcp(t, l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, p)
}

// refused checks that a connection comes to nothing, at once or very soon.
func refused(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer c.Close() //nolint:errcheck // it is reset
		reset(t, c)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("dial: %v, want a reset", err)
	}
}

// TestClose ends everything, whatever waits for whom. It does not run beside
// others: it looks at all goroutines.
func TestClose(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	p := tcp(t, serve(t, func(*net.TCPConn) { <-stuck })) // reads nothing
	u := udp(t)
	c := dial(t, "tcp", p)
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := c.Write(make([]byte, 64<<20)); !isTimeout(err) {
		t.Fatalf("the target takes everything: %v", err)
	}
	ask(t, dial(t, "udp", u), "datagram")
	p.SetBoth(Fault{Cut: true})
	dial(t, "tcp", p) // leads nowhere
	for _, each := range []*Proxy{p, u, p} {
		if err := each.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if left := goroutines(); left != "" {
		t.Errorf("goroutines after Close:\n%s", left)
	}
}
