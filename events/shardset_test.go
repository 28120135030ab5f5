package events_test

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestPackShards(t *testing.T) {
	for _, c := range []struct {
		ids, runs []uint32
		text      string
	}{
		{nil, nil, ""},
		{[]uint32{0}, []uint32{0, 1}, "0"},
		{[]uint32{3, 4, 5, 9}, []uint32{3, 3, 3, 1}, "3-5,9"},
		{[]uint32{9, 4, 3, 5, 4}, []uint32{3, 3, 3, 1}, "3-5,9"},
		{[]uint32{0, 1, 999_999}, []uint32{0, 2, 999_997, 1}, "0-1,999999"},
	} {
		set := events.PackShards(c.ids)
		if diff := cmp.Diff(c.runs, set.Runs); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.ids, diff)
		}
		if got := events.FormatShards(set); got != c.text {
			t.Errorf("%v reads %q, want %q", c.ids, got, c.text)
		}
	}
}

// checkPacked: a set holds exactly the ids that were packed, in the fewest runs.
func checkPacked(t interface{ Fatalf(string, ...any) }, ids []uint32) {
	given := slices.Clone(ids)
	set := events.PackShards(ids)
	if !slices.Equal(given, ids) {
		t.Fatalf("the ids that were handed in have changed: %v to %v", given, ids)
	}
	want := slices.Clone(ids)
	slices.Sort(want)
	want = slices.Compact(want)
	got := events.UnpackShards(set)
	if !slices.Equal(got, want) {
		t.Fatalf("%v came back as %v", want, got)
	}
	if n := events.CountShards(set); n != len(want) {
		t.Fatalf("counts %d, want %d", n, len(want))
	}
	for i, run := range set.Runs {
		if run == 0 && i > 0 {
			t.Fatalf("runs %v are not the fewest", set.Runs)
		}
	}
	if !slices.Equal(events.PackShards(got).Runs, set.Runs) {
		t.Fatalf("packing %v again gives other runs", got)
	}
	if text := unformat(events.FormatShards(set)); !slices.Equal(text, want) {
		t.Fatalf("the text says %v, want %v", text, want)
	}
}

// unformat reads what FormatShards writes.
func unformat(text string) []uint32 {
	ids := []uint32{}
	if text == "" {
		return ids
	}
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		for id := from; id <= to; id++ {
			ids = append(ids, uint32(id))
		}
	}
	return ids
}

func TestPackShardsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dense := rapid.Uint32Max(40)
		wide := rapid.Uint32Max(events.MaxShards - 1)
		checkPacked(t, rapid.SliceOfN(rapid.OneOf(dense, wide), 0, 60).Draw(t, "ids"))
	})
}

func FuzzShardSet(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var ids []uint32
		for ; len(b) >= 4; b = b[4:] {
			ids = append(ids, binary.LittleEndian.Uint32(b)%events.MaxShards)
		}
		checkPacked(t, ids)
		// Runs of any shape are read without a panic; an odd one is left out.
		odd := &eventsv1.ShardSet{}
		for _, id := range ids {
			odd.Runs = append(odd.Runs, id%100)
		}
		if n := len(events.UnpackShards(odd)); n != events.CountShards(odd) {
			t.Fatalf("runs %v hold %d ids and count %d", odd.Runs, n, events.CountShards(odd))
		}
		events.FormatShards(odd)
	})
}
