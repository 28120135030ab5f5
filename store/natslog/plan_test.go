package natslog

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlan compares what is decided about logs that end too early with a transcript.
func TestPlan(t *testing.T) {
	names := map[course]string{whole: "whole", wait: "wait", putBack: "put back", lost: "lost"}
	a := func(server string, known, held uint64) account {
		return account{Server: server, Known: known, Held: held}
	}
	refuted := account{Server: "s3", Known: 9, Held: 9, Refuted: true}
	var b strings.Builder
	for _, c := range []struct {
		what string
		situation
	}{
		{"one of three answers", situation{3, []account{a("s1", 5, 0)}, 5}},
		{"a majority knows of no more", situation{3, []account{a("s1", 5, 0), a("s2", 4, 0)}, 5}},
		{"one knows of more, and nobody has it yet", situation{3, []account{a("s1", 5, 0), a("s2", 9, 0)}, 5}},
		{"the third has all of it", situation{3, []account{a("s1", 5, 0), a("s2", 9, 0), a("s3", 9, 9)}, 5}},
		{"the second has some of it", situation{3, []account{a("s1", 9, 5), a("s2", 9, 7)}, 5}},
		{"two have some of it, one more", situation{5, []account{a("s1", 9, 6), a("s2", 9, 8), a("s3", 9, 0)}, 5}},
		{"nobody has it", situation{3, []account{a("s1", 9, 0), a("s2", 9, 5), a("s3", 8, 0)}, 5}},
		{"the third has another log", situation{3, []account{a("s1", 5, 0), a("s2", 5, 0), refuted}, 5}},
		{"the third has another log, and the second some", situation{3, []account{a("s1", 5, 0), a("s2", 9, 6), refuted}, 5}},
	} {
		do, from, why := plan(c.situation)
		fmt.Fprintf(&b, "%s\n  %s %s\n", c.what, names[do], from)
		if why != "" {
			fmt.Fprintf(&b, "  %s\n", why)
		}
	}
	const path = "testdata/plan.txt"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the plans are others now (-transcript +now):\n%s", diff)
		t.Log(b.String())
	}
}
