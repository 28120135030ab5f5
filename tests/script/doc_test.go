// Package script_test runs the command line against a real server: what it
// prints, its JSON, its exit codes. Each script in testdata has a server of its
// own, with a session TTL of 2 s.
package script_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
