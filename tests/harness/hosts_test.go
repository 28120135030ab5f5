package harness

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// answering listens on a host and gives back what comes.
func answering(t *testing.T, h *Hosts, i int) string {
	t.Helper()
	var l net.Listener
	if err := h.Do(i, func() (err error) {
		l, err = net.Listen("tcp", h.Address(i, 7000))
		return err
	}); err != nil {
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
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// ask sends a word and waits for it; false if it does not come soon.
func ask(t *testing.T, c net.Conn, word string, soon time.Duration) bool {
	t.Helper()
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	return comes(c, word, soon) == nil
}

func comes(c net.Conn, word string, soon time.Duration) error {
	got := make([]byte, len(word))
	_ = c.SetReadDeadline(time.Now().Add(soon))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
		return fmt.Errorf("received %q, want %q: %w", got, word, err)
	}
	return nil
}

// TestHosts: hosts reach each other and are reached by nobody else; a connection
// outlives a cut, because the kernels send again what was lost.
func TestHosts(t *testing.T) {
	t.Parallel()
	h := NewHosts(t, 3)
	address := answering(t, h, 2)
	if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		_ = c.Close()
		t.Error("a host is reached from outside")
	}
	first, err := h.Dial(1)(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close() //nolint:errcheck // nothing is written any more
	third, err := h.Dial(3)(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close() //nolint:errcheck // nothing is written any more
	if !ask(t, first, "one", startWithin) || !ask(t, third, "three", startWithin) {
		t.Fatal("no answer")
	}

	h.CutOneWay(2, 1)
	if ask(t, first, "lost", 200*time.Millisecond) {
		t.Error("an answer came through a cut")
	}
	if !ask(t, third, "three", startWithin) {
		t.Error("no answer to a host that is not cut off")
	}
	h.Heal()
	if err := comes(first, "lost", startWithin); err != nil {
		t.Error(err)
	}

	h.Delay(1, 2, 30*time.Millisecond)
	h.Delay(2, 1, 30*time.Millisecond)
	began := time.Now()
	if !ask(t, first, "slow", startWithin) {
		t.Error("no answer over a slow way")
	}
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("an answer after %s, 60ms is the least", took)
	}
}

// TestHostsUDP: datagrams as well.
func TestHostsUDP(t *testing.T) {
	t.Parallel()
	h := NewHosts(t, 2)
	var at *net.UDPConn
	if err := h.Do(1, func() (err error) {
		at, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(hostIP(1)), Port: 7001})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer at.Close() //nolint:errcheck // nothing is written to it
	c, err := h.Dial(2)(t.Context(), "udp", h.Address(1, 7001))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // a datagram's fate is told by the other end
	buf := make([]byte, 100)
	Eventually(t, startWithin, "a datagram comes", func() error {
		if _, err := io.WriteString(c, "hello"); err != nil {
			return err
		}
		_ = at.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := at.Read(buf)
		if err == nil && string(buf[:n]) != "hello" {
			err = errors.New("another one came")
		}
		return err
	})
}
