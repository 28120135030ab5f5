package embedded

import (
	"testing"
	"time"
)

// TestTiming: the names of the raft timing are nats-server's, and are set once.
func TestTiming(t *testing.T) {
	for range 2 {
		if err := setTiming(); err != nil {
			t.Fatal(err)
		}
	}
	if minElectionTimeout != 500*time.Millisecond || maxElectionTimeout != time.Second || hbInterval != 100*time.Millisecond {
		t.Errorf("elections after %s to %s, heartbeats every %s", minElectionTimeout, maxElectionTimeout, hbInterval)
	}
}
