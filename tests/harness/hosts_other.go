//go:build !linux

package harness

import (
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// Hosts are network namespaces, on Linux.
type Hosts struct{ Faults }

// NewHosts skips the test.
func NewHosts(t testing.TB, _ int) *Hosts {
	t.Helper()
	t.Skip("needs Linux, to make network namespaces")
	return nil
}

// Address is of Linux.
func (h *Hosts) Address(int, int) string { return "" }

// Do is of Linux.
func (h *Hosts) Do(_ int, do func() error) error { return do() }

// Dial is of Linux.
func (h *Hosts) Dial(int) faultproxy.Dial { return nil }

func (h *Hosts) enter(int) error { return nil }
