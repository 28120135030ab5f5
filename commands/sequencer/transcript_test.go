package sequencer_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rewrite is set by -rewrite: the outputs of all transcripts are written anew,
// for a person to read before they are committed.
var rewrite = flag.Bool("rewrite", false, "write the outputs of the transcripts anew")

// TestTranscripts runs the stories of testdata: lines of what happens, "----",
// what the core then asks for and answers, and an empty line. A line that begins
// with # says what to look at. The words are those of [rig.do].
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replayTranscript(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s", firstDifference(string(want), string(got)))
			}
		})
	}
}

// replayTranscript is the transcript with the outputs as they are now.
func replayTranscript(t *testing.T, text string) []byte {
	r := newRig(t)
	var out bytes.Buffer
	inOutput := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inOutput && line == "":
			inOutput = false
			out.WriteString("\n")
		case inOutput: // the old output
		case line == "----":
			inOutput = true
			fmt.Fprintf(&out, "----\n%s", r.output())
		default:
			out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				r.do(strings.Fields(line))
			}
		}
	}
	return out.Bytes()
}

// firstDifference shows the first block that differs.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n\n"), strings.Split(got, "\n\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("block %d differs\nwant:\n%s\n\ngot:\n%s", i+1, w[i], strings.Join(g[min(i, len(g)):min(i+1, len(g))], ""))
		}
	}
	return "it goes on where the transcript ends"
}
