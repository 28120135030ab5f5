package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// person is a terminal on which somebody reads.
type person struct{ bytes.Buffer }

func (*person) IsTerminal() bool { return true }

// TestMovesAreFollowedToTheirEnd: each phase is said once, and a move that ends
// otherwise is named with the event that ended it.
func TestMovesAreFollowedToTheirEnd(t *testing.T) {
	seen := &person{}
	w := &moveWaiter{c: &call{Context: cli.NewContext(&cli.App{ErrWriter: seen}, nil, nil)}, to: "n2", open: map[string]string{"1": "", "2": "", "3": ""}}
	row := func(owner, to string, phase controlv1.MovePhase) *controlv1.ShardRecord {
		return &controlv1.ShardRecord{OwnerNodeId: owner, MoveToNodeId: to, MovePhase: phase}
	}
	preparing, releasing := controlv1.MovePhase_MOVE_PHASE_PREPARING, controlv1.MovePhase_MOVE_PHASE_RELEASING
	w.take("1", row("n1", "n2", preparing), "")
	w.take("1", row("n1", "n2", preparing), "NamespaceUpdated")
	w.take("1", row("n1", "n2", releasing), "ShardMoveReleasing")
	w.take("2", row("", "n2", preparing), "SessionClosed")
	w.take("1", row("n2", "", 0), "ShardsHandedOver")
	if len(w.open) != 2 || w.result() != nil {
		t.Errorf("open %v, failed %v", w.open, w.failed)
	}
	w.take("2", row("n1", "", 0), "ShardMoveFailed")
	w.take("3", nil, "")
	want := "shard 1: preparing\nshard 1: releasing\nshard 2: without an owner\nshard 1: owned by n2\nshard 2: ShardMoveFailed\nshard 3: ended otherwise\n"
	if seen.String() != want {
		t.Errorf("progress:\n%s\nwant:\n%s", seen.String(), want)
	}
	if err := w.result(); len(w.open) != 0 || err == nil || !strings.Contains(err.Error(), "2 (ShardMoveFailed), 3 (ended otherwise)") {
		t.Errorf("open %v: %v", w.open, err)
	}
}
