package linear

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/omnirelay/omnirelay/events"
)

// The kinds of operations on one node.
const (
	setLabel = "label"
	cordon   = "cordon"
	uncordon = "uncordon"
	read     = "read"
)

// input is what a client asked for.
type input struct{ kind, node, value string }

// output is what it was told.
type output struct {
	// open: nothing, to the end.
	open bool
	// refused by the state of the node.
	refused bool
	// seen is what was read.
	seen node
	// at is the position of the answer: for people, the model does not look at it.
	at events.Position
}

// node is what the model knows of one.
type node struct {
	label    string
	cordoned bool
}

// spec is a register with a label and a switch for each node.
func spec() porcupine.Model {
	return porcupine.Model{
		Partition: byNode,
		Init:      func() any { return node{} },
		Step: func(state, in, out any) (bool, any) {
			return step(state.(node), in.(input), out.(output))
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

func byNode(history []porcupine.Operation) [][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	for _, op := range history {
		id := op.Input.(input).node
		parts[id] = append(parts[id], op)
	}
	var all [][]porcupine.Operation
	for _, part := range parts {
		all = append(all, part)
	}
	return all
}

// step applies an operation. One that stayed open ends after all others, so
// that one which never took effect is one that took effect last.
func step(n node, in input, out output) (bool, node) {
	switch in.kind {
	case read:
		return out.seen == n, n
	case setLabel:
		n.label = in.value
		return !out.refused, n
	}
	if refused := n.cordoned == (in.kind == cordon); refused {
		return out.open || out.refused, n
	}
	n.cordoned = in.kind == cordon
	return !out.refused, n
}

// TestModelRefuses: the checker finds what is wrong, open operations included.
func TestModelRefuses(t *testing.T) {
	op := func(call, end int64, in input, out output) porcupine.Operation {
		return porcupine.Operation{Input: in, Call: call, Output: out, Return: end}
	}
	set := func(v string) input { return input{setLabel, "n1", v} }
	saw := func(v string, c bool) output { return output{seen: node{v, c}} }
	get, never := input{kind: read, node: "n1"}, int64(1000)
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"a read of what was set": {[]porcupine.Operation{op(1, 2, set("a"), output{}), op(3, 4, get, saw("a", false))}, true},
		"a stale read":           {[]porcupine.Operation{op(1, 2, set("a"), output{}), op(3, 4, get, saw("", false))}, false},
		"open, and seen":         {[]porcupine.Operation{op(1, never, set("a"), output{open: true}), op(3, 4, get, saw("a", false))}, true},
		"open, and not seen":     {[]porcupine.Operation{op(1, never, set("a"), output{open: true}), op(3, 4, get, saw("", false))}, true},
		"open, seen, then gone": {[]porcupine.Operation{op(1, never, set("a"), output{open: true}),
			op(3, 4, get, saw("a", false)), op(5, 6, get, saw("", false))}, false},
		"open, done twice": {[]porcupine.Operation{op(1, never, set("a"), output{open: true}), op(3, 4, get, saw("a", false)),
			op(5, 6, set("b"), output{}), op(7, 8, get, saw("b", false)), op(9, 10, get, saw("a", false))}, false},
		"cordoned twice":       {[]porcupine.Operation{op(1, 2, input{cordon, "n1", ""}, output{}), op(3, 4, input{cordon, "n1", ""}, output{})}, false},
		"refused without need": {[]porcupine.Operation{op(1, 2, input{uncordon, "n1", ""}, output{}), op(3, 4, input{cordon, "n1", ""}, output{refused: true})}, false},
		"refused with reason":  {[]porcupine.Operation{op(1, 2, input{cordon, "n1", ""}, output{}), op(3, 4, input{cordon, "n1", ""}, output{refused: true})}, true},
	} {
		if got := porcupine.CheckOperations(spec(), c.history); got != c.want {
			t.Errorf("%s: linearizable %t, want %t", name, got, c.want)
		}
	}
}
