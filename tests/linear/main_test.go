package linear

import (
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestMain builds the binary that the cluster runs.
func TestMain(m *testing.M) { harness.Main(m) }
