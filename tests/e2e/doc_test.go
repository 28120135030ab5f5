// Package e2e_test runs the shipped binary as real processes, and ends, pauses
// and damages them: what the product promises, seen from outside.
//
// `go test ./...` runs the short form; OMNIRELAY_E2E=full runs the long loops.
package e2e_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
