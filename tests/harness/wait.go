package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
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
		var l net.Listener
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000)))
		if err != nil {
			continue
		}
		defer l.Close() //nolint:errcheck // it was only a look
		return l.Addr().String()
	}
	t.Fatalf("no port is free: %v", err)
	return ""
}
