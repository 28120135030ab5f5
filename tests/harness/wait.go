package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
	"time"
)

// pollEvery is how often a condition is looked at.
const pollEvery = 10 * time.Millisecond

// Eventually waits until a condition returns nil, and fails the test with its
// last error if it does not within a time. It returns how long it took.
func Eventually(t testing.TB, within time.Duration, what string, condition func() error) time.Duration {
	t.Helper()
	began := time.Now()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return time.Since(began)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
	}
}

// FreeAddress is a loopback address that nobody listens on. Somebody may before
// it is used; a process that is started with it says so and ends. Its port is
// below those that the kernel gives to outgoing connections, one of which could
// else have it when a server comes back.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		if !reserve(t, port) {
			continue
		}
		var l net.Listener
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() //nolint:errcheck // it was only a look
		return l.Addr().String()
	}
	t.Fatalf("no port is free: %v", err)
	return ""
}

// reserve keeps a port for a test until it ends, from all that ask here, in this
// process and in others: two looks may find one port free before either is used. The
// name in the kernel's own space for sockets goes with its process.
func reserve(t testing.TB, port int) bool {
	if runtime.GOOS != "linux" {
		return true // a look has to do
	}
	l, err := net.Listen("unix", fmt.Sprintf("@omnirelay-test-port-%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { _ = l.Close() })
	return true
}
