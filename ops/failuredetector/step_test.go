package failuredetector_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/failuredetector"
)

// rewrite is set by -rewrite: the outputs of all transcripts are written anew,
// for a person to read before they are committed.
var rewrite = flag.Bool("rewrite", false, "write the outputs of the transcripts anew")

// stage is three servers of which s1 may lead, and what s1 hears.
type stage struct {
	t      *testing.T
	m      *model.Model
	log    *commandtest.Scenario
	now    int64
	status sequencer.Status
	heard  map[string]int64
	stops  map[string]bool
	d      *failuredetector.Detector
	out    bytes.Buffer
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, m: model.New(), now: int64(time.Hour), heard: map[string]int64{}, stops: map[string]bool{}}
	s.log = commandtest.New(t, s.m)
	for _, id := range []string{"s1", "s2", "s3"} {
		s.log.When(membership.JoinServer{Node: membership.Descriptor{NodeID: id, Weight: 1}}).ThenDone()
	}
	s.d = failuredetector.New("s1", s, s)
	return s
}

// Status implements failuredetector.Leader.
func (s *stage) Status() sequencer.Status { return s.status }

// Last implements failuredetector.Roster.
func (s *stage) Last(server string) (int64, bool, bool) {
	at, ok := s.heard[server]
	return at, s.stops[server], ok
}

// do plays one line: "leads" and "lapses" are of s1; "starts" forgets what was
// heard, as a new process does; "stops ID" is that server's last word; "joins ID"
// is what it says of itself on the log; "DURATION ID…" passes time in which these
// are heard.
func (s *stage) do(line string) {
	words := strings.Fields(line)
	switch words[0] {
	case "leads":
		s.status.AuthorityGained++
		s.status.Leading, s.status.Term = true, events.Position(s.now)
	case "lapses":
		s.status.AuthorityGained++
	case "follows":
		s.status.Leading = false
	case "starts":
		clear(s.heard)
		clear(s.stops)
		s.d = failuredetector.New("s1", s, s)
	case "stops":
		s.heard[words[1]], s.stops[words[1]] = s.now, true
	case "joins":
		s.log.When(membership.JoinServer{Node: membership.Descriptor{NodeID: words[1], Weight: 1}}).ThenDone()
	default:
		for_, err := time.ParseDuration(words[0])
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		for end := s.now + int64(for_); s.now < end; {
			s.now += int64(50 * time.Millisecond)
			for _, id := range words[1:] {
				s.heard[id], s.stops[id] = s.now, false
			}
			s.step()
		}
		return
	}
	s.step()
}

// step lets the detector look, and stores what it asks for. A look after a wish
// finds nothing more to wish for: the log says it.
func (s *stage) step() {
	cmds, _ := s.d.Step(sequencer.View{Model: s.m}, sequencer.Now{Boot: s.now})
	for _, cmd := range cmds {
		fmt.Fprintf(&s.out, "%s: %s %+v\n", time.Duration(s.now)-time.Hour, cmd.CommandName(), cmd)
		s.log.When(cmd).ThenDone()
	}
	if again, _ := s.d.Step(sequencer.View{Model: s.m}, sequencer.Now{Boot: s.now}); len(again) > 0 {
		s.t.Errorf("asks for %+v again", again)
	}
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-transcript +now):\n%s", diff)
			}
		})
	}
}

// replay is a transcript as it is now: comments, lines, and after each line what
// was asked for, indented.
func replay(t *testing.T, text string) string {
	s, b := newStage(t), strings.Builder{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue // the old output
		}
		b.WriteString(line)
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.do(line)
		for out := range strings.Lines(s.out.String()) {
			b.WriteString("  " + out)
		}
		s.out.Reset()
	}
	return b.String()
}

// TestLooksAgain: with others there is always something to look for, alone there
// is nothing that the log would not tell.
func TestLooksAgain(t *testing.T) {
	alone := failuredetector.View{Self: "s1", Servers: []failuredetector.Server{{Name: "s1"}}}
	if cmds, next := failuredetector.Step(alone); next != 0 || len(cmds) > 0 {
		t.Errorf("alone: %v, again after %s", cmds, next)
	}
	two := alone
	two.Servers = append(slices.Clone(alone.Servers), failuredetector.Server{Name: "s2"})
	if _, next := failuredetector.Step(two); next != failuredetector.LookEvery {
		t.Errorf("with another: again after %s", next)
	}
}
