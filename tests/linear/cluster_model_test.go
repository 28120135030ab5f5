package linear

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"
)

// The kinds of operations on a cluster: of a cell, which is a namespace's capacity
// hint and version; and of a scope.
const (
	write    = "write"
	replace  = "replace" // if the version is as it was read
	campaign = "campaign"
	resign   = "resign"
)

// asked is what a client asked of a cluster.
type asked struct {
	kind, key string
	value     float64 // of a write or replace
	version   int64   // that a replace wants
	node      string  // of a campaign or resign
}

// got is what it was told.
type got struct {
	open, refused bool
	// value and version of a cell; holder and term of a scope.
	value   float64
	version int64
	holder  string
	term    int64
}

// cell is the state of one, tenure that of a scope: vacant is an empty holder.
type (
	cell struct {
		value   float64
		version int64
	}
	tenure struct {
		holder string
		term   int64
	}
)

func cellSpec(begin cell) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return begin },
		Step: func(state, in, out any) (bool, any) { return stepCell(state.(cell), in.(asked), out.(got)) },
	}
}

// stepCell applies an operation on a cell. One that stayed open ends after all
// others: if it never took effect, it is last.
func stepCell(c cell, in asked, out got) (bool, cell) {
	switch {
	case in.kind == read:
		return out.value == c.value && out.version == c.version, c
	case in.kind == replace && in.version != c.version:
		return out.open || out.refused, c
	}
	return !out.refused, cell{in.value, c.version + 1}
}

func scopeSpec() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return tenure{} },
		Step: func(state, in, out any) (bool, any) { return stepScope(state.(tenure), in.(asked), out.(got)) },
	}
}

// stepScope applies an operation on a scope. A vacant scope may be granted to any
// candidate at any time, by nobody's operation: so a new holder, with a higher
// term, may be seen whenever it was vacant, and only then. No session ends here.
func stepScope(s tenure, in asked, out got) (bool, tenure) {
	switch in.kind {
	case campaign:
		if out.holder == "" { // not won, or not known: a candidate
			return true, s
		}
		return s.seen(tenure{in.node, out.term})
	case resign:
		if s.holder != in.node {
			return true, s // it withdraws a candidacy, or had been granted unseen
		}
		return !out.refused, tenure{"", s.term}
	}
	if out.holder == "" {
		return s.holder == "", s
	}
	return s.seen(tenure{out.holder, out.term})
}

func (s tenure) seen(now tenure) (bool, tenure) {
	return s == now || s.holder == "" && now.term > s.term, now
}

// TestClusterModels: the models refuse what is wrong.
func TestClusterModels(t *testing.T) {
	op := func(call, end int64, in asked, out got) porcupine.Operation {
		return porcupine.Operation{Input: in, Call: call, Output: out, Return: end}
	}
	never := int64(1000)
	wr := func(v float64) asked { return asked{kind: write, value: v} }
	swap := func(ver int64, v float64) asked { return asked{kind: replace, version: ver, value: v} }
	rd := asked{kind: read}
	saw := func(v float64, ver int64) got { return got{value: v, version: ver} }
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"read what was written":  {[]porcupine.Operation{op(1, 2, wr(5), got{}), op(3, 4, rd, saw(5, 2))}, true},
		"a stale read":           {[]porcupine.Operation{op(1, 2, wr(5), got{}), op(3, 4, rd, saw(0, 1))}, false},
		"written twice":          {[]porcupine.Operation{op(1, 2, wr(5), got{}), op(3, 4, rd, saw(5, 3))}, false},
		"replaced":               {[]porcupine.Operation{op(1, 2, swap(1, 5), got{}), op(3, 4, rd, saw(5, 2))}, true},
		"replaced another":       {[]porcupine.Operation{op(1, 2, wr(4), got{}), op(3, 4, swap(1, 5), got{})}, false},
		"refused without reason": {[]porcupine.Operation{op(1, 2, swap(1, 5), got{refused: true})}, false},
		"open, and seen":         {[]porcupine.Operation{op(1, never, wr(5), got{open: true}), op(3, 4, rd, saw(5, 2))}, true},
		"open, and never":        {[]porcupine.Operation{op(1, never, wr(5), got{open: true}), op(3, 4, rd, saw(0, 1))}, true},
		"open, and twice": {[]porcupine.Operation{op(1, never, wr(5), got{open: true}), op(3, 4, rd, saw(5, 2)),
			op(5, 6, wr(6), got{}), op(7, 8, rd, saw(5, 4))}, false},
	} {
		if linear := porcupine.CheckOperations(cellSpec(cell{0, 1}), c.history); linear != c.want {
			t.Errorf("%s: linearizable %t, want %t", name, linear, c.want)
		}
	}
	run := func(n string) asked { return asked{kind: campaign, node: n} }
	end := func(n string) asked { return asked{kind: resign, node: n} }
	held := func(n string, term int64) got { return got{holder: n, term: term} }
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"won, and read":     {[]porcupine.Operation{op(1, 2, run("a"), held("a", 5)), op(3, 4, rd, held("a", 5))}, true},
		"won by two":        {[]porcupine.Operation{op(1, 2, run("a"), held("a", 5)), op(3, 4, run("b"), held("b", 7))}, false},
		"handed on":         {[]porcupine.Operation{op(1, 2, run("a"), held("a", 5)), op(3, 4, end("a"), got{}), op(5, 6, rd, held("b", 9))}, true},
		"handed back":       {[]porcupine.Operation{op(1, 2, rd, held("a", 5)), op(3, 4, end("a"), got{}), op(5, 6, rd, held("a", 5))}, false},
		"a stale leader":    {[]porcupine.Operation{op(1, 2, rd, held("a", 5)), op(3, 4, end("a"), got{}), op(5, 6, rd, held("b", 9)), op(7, 8, rd, held("a", 5))}, false},
		"changed unasked":   {[]porcupine.Operation{op(1, 2, rd, held("a", 5)), op(3, 4, rd, held("b", 9))}, false},
		"a term goes back":  {[]porcupine.Operation{op(1, 2, rd, held("a", 5)), op(3, 4, end("a"), got{}), op(5, 6, rd, held("b", 4))}, false},
		"resigned, perhaps": {[]porcupine.Operation{op(1, 2, rd, held("a", 5)), op(3, never, end("a"), got{open: true}), op(5, 6, rd, held("b", 9))}, true},
		"refused to leave":  {[]porcupine.Operation{op(1, 2, rd, held("a", 5)), op(3, 4, end("a"), got{refused: true})}, false},
	} {
		if linear := porcupine.CheckOperations(scopeSpec(), c.history); linear != c.want {
			t.Errorf("%s: linearizable %t, want %t", name, linear, c.want)
		}
	}
}

// partsOf are the operations by their key.
func partsOf(operations []porcupine.Operation) map[string][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	for _, op := range operations {
		key := op.Input.(asked).key
		parts[key] = append(parts[key], op)
	}
	return parts
}

func describe(op porcupine.Operation) string {
	return fmt.Sprintf("%d to %d, client %d: %+v → %+v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
}
