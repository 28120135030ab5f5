package registry_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/registry"
)

func TestIncrementalIsRebuiltIsRedelivered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		projectiontest.Check(t, draw, 4, registry.Tables(), nil)
	})
}
