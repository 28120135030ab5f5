package server

import (
	"testing"

	"github.com/google/uuid"

	"github.com/omnirelay/omnirelay/commands/shard"
)

func pause(ns string, ids ...uint32) shard.Pause   { return shard.Pause{Namespace: ns, Shards: ids} }
func resume(ns string, ids ...uint32) shard.Resume { return shard.Resume{Namespace: ns, Shards: ids} }

func newKey(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	return id.String()
}
