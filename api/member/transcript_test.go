package member

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTranscripts steps a core through the transcripts in testdata. A line at
// the margin is an input: the moment, the kind, its fields. The indented lines
// below are what the core says to it. With -update they are written anew.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in testdata: %v", err)
	}
	update := flag.Lookup("update") != nil && flag.Lookup("update").Value.String() == "true"
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
			if update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(data), got); diff != "" {
				t.Errorf("transcript differs (-want +got):\n%s", diff)
			}
		})
	}
}

var _ = flag.Bool("update", false, "write the transcripts anew")

// play returns a transcript with the core's own answers.
func play(t *testing.T, text string) string {
	t.Helper()
	c := NewCore("n1")
	var b strings.Builder
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "  "):
			continue // an answer, made anew
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&b, line)
			continue
		}
		fmt.Fprintln(&b, line)
		now, in := parseInput(t, line)
		out, wake := c.Step(now, in)
		for _, o := range out {
			fmt.Fprintln(&b, "  "+show(o))
		}
		fmt.Fprintln(&b, "  wake", time.Duration(wake))
	}
	return b.String()
}

type fields map[string]string

func (f fields) number(key string) int64 {
	n, err := strconv.ParseInt(f[key], 10, 64)
	if err != nil && f[key] != "" {
		panic(fmt.Sprintf("%s=%s: %v", key, f[key], err))
	}
	return n
}

func (f fields) time(key string) time.Duration {
	d, err := time.ParseDuration(f[key])
	if err != nil && f[key] != "" {
		panic(fmt.Sprintf("%s=%s: %v", key, f[key], err))
	}
	return d
}

func (f fields) ref() Ref {
	namespace, id, _ := strings.Cut(f["shard"], "/")
	n, err := strconv.Atoi(id)
	if err != nil {
		panic(fmt.Sprintf("shard=%s: %v", f["shard"], err))
	}
	return Ref{Namespace: namespace, Shard: uint32(n)}
}

func (f fields) row() Row {
	owner := "n1"
	if f["owner"] != "" {
		owner = strings.TrimPrefix(f["owner"], "-") // "-" is nobody
	}
	return Row{Ref: f.ref(), Owner: owner, Session: f.number("session"), Fence: f.number("fence"), Draining: f["draining"] == "true", To: f["to"],
		Mode: map[string]Mode{"lease": Leased, "fenced": Fenced, "sticky": Sticky}[f["mode"]], TTL: int64(f.time("ttl"))}
}

func parseInput(t *testing.T, line string) (int64, Input) {
	t.Helper()
	words := strings.Fields(line)
	f := fields{"now": words[0]}
	for _, w := range words[2:] {
		k, v, _ := strings.Cut(w, "=")
		f[k] = v
	}
	now := int64(f.time("now"))
	switch words[1] {
	case "tick":
		return now, Tick{}
	case "opened":
		return now, Opened{Session: f.number("session"), TTL: f.time("ttl"), SentAt: int64(f.time("sent")), Position: f.number("session")}
	case "answered":
		return now, Answered{Session: f.number("session"), TTL: f.time("ttl"), SentAt: int64(f.time("sent")), WantFull: f["full"] == "true"}
	case "lost":
		return now, SessionLost{Session: f.number("session")}
	case "row":
		return now, Changed{Position: f.number("position"), Row: f.row()}
	case "gone":
		return now, Gone{Position: f.number("position"), Ref: f.ref()}
	case "seen":
		return now, Seen{Position: f.number("position")}
	case "snapshot": // of one row or none
		s := Snapshot{Position: f.number("position")}
		if f["shard"] != "" {
			s.Rows = []Row{f.row()}
		}
		return now, s
	case "ended":
		return now, Ended{Ref: f.ref(), Fence: f.number("fence")}
	case "prepared":
		return now, PrepareEnded{Ref: f.ref(), Fence: f.number("fence"), Ready: f["ready"] != "false"}
	case "leaving":
		return now, Leaving{}
	}
	t.Fatalf("unknown input %q", line)
	return 0, nil
}

func show(o Output) string {
	switch x := o.(type) {
	case Start:
		return fmt.Sprintf("start %s/%d fence=%d", x.Ref.Namespace, x.Ref.Shard, x.Fence)
	case End:
		cause := map[EndCause]string{EndReleased: "released", EndLease: "lease", EndReassigned: "reassigned", EndRebound: "rebound"}[x.Cause]
		return fmt.Sprintf("end %s/%d fence=%d cause=%s", x.Ref.Namespace, x.Ref.Shard, x.Fence, cause)
	case Prepare:
		return fmt.Sprintf("prepare %s/%d fence=%d owner=%s", x.Ref.Namespace, x.Ref.Shard, x.Fence, x.Owner)
	case EndPrepare:
		return fmt.Sprintf("end-prepare %s/%d fence=%d", x.Ref.Namespace, x.Ref.Shard, x.Fence)
	case Beat:
		s := fmt.Sprintf("beat session=%d full=%t", x.Session, x.Full)
		for _, h := range x.Held {
			s += fmt.Sprintf(" %s/%d:%d:%s", h.Ref.Namespace, h.Ref.Shard, h.Fence, map[HoldState]string{Prepared: "prepared", Owning: "owning", Released: "released"}[h.State])
		}
		return s
	case Open:
		return "open"
	case Leave:
		return fmt.Sprintf("leave session=%d", x.Session)
	}
	return fmt.Sprintf("%#v", o)
}
