package cli

import (
	"testing"

	"github.com/omnirelay/omnirelay/api/client"
)

// TestWorded: who sits at the command line reads the flag, and times as flags take
// them.
func TestWorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ field, text, want string }{
		{"ownershipTtlMs", "ownershipTtlMs is 7200000; allowed: 0 to 3600000", "--ownership-ttl is 2h; allowed: 0 to 1h"},
		{"deadlineMs", "deadlineMs is 172800000; allowed: 1000 to 86400000, or 0 for 10m", "--deadline is 48h; allowed: 1s to 24h, or 0 for 10m"},
		{"timing.everyMs", "timing.everyMs is 1500; allowed: 10000 to 316224000000", "--every is 1.5s; allowed: 10s to 87840h"},
		{"timing.afterMs", "timing.afterMs is -1000; allowed: 1 to 90000", "--after is -1s; allowed: 1ms to 1m30s"},
		{"windowMs", "windowMs is 10; allowed: 1000 to 5400000", "--window is 10ms; allowed: 1s to 1h30m"},
		{"rules.pins[0].shards", `rules.pins[0].shards is "9-0"; allowed: ids`, `--pin is "9-0"; allowed: ids`},
		{"rules.require[1]", `rules.require[1] is "="; allowed: key=value`, `--require (number 2) is "="; allowed: key=value`},
		{"readers", "readers is 9; allowed: 0 to 8", "--readers is 9; allowed: 0 to 8"},
		{"shardIds[0]", `shardIds[0] is "1-3"`, `shardIds[0] is "1-3"`},
	} {
		err := &client.Error{Message: c.text, Fields: []client.FieldError{{Field: c.field}}}
		if got := worded(err); got != c.want {
			t.Errorf("%s is worded %q, want %q", c.text, got, c.want)
		}
	}
}
