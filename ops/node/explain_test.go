package node_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// TestExplain: what a server ends with has a code that people look up.
func TestExplain(t *testing.T) {
	for code, err := range map[string]error{
		"data_locked": store.ErrLocked, "log_missing": store.ErrLogMissing, "log_truncated": store.ErrLogTruncated,
		"log_corrupt": natslog.ErrCorrupt, "log_full": store.ErrLogFull, "disk_full": node.ErrDiskFull,
		"other_kind": natslog.ErrOtherKind, "not_a_member": natslog.ErrNotMember, "log_diverged": election.ErrDiverged,
		"log_not_sealed": node.ErrNotSealed, "not_single": node.ErrNotSingle, "restore_unfinished": node.ErrUnfinished,
		"given_up": node.ErrGivenUp, "growth_unfinished": node.ErrGrowing, "two_grow": natslog.ErrTwoGrow, "name_taken": natslog.ErrNameTaken,
	} {
		if got := node.Explain(fmt.Errorf("start log: %w", err)); len(got) != 4 || got[0] != "code" || got[1] != code {
			t.Errorf("%v is explained as %v, want code %s", err, got, code)
		}
	}
	if got := node.Explain(errors.New("else")); slices.Contains(got, "code") {
		t.Errorf("another error is explained as %v", got)
	}
}
