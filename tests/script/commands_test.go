package script_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// world is what the commands of one script act on.
type world struct {
	t      *testing.T
	server *harness.Server
	data   string
	agents map[string]*harness.Process
}

func (w *world) commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// exits CODE COMMAND ARGS...: runs a program that must end with a code.
		"exits": exits,
		// until PATH=WANT ARGS...: runs omnirelay ARGS -o json until its output has
		// the value.
		"until": until,
		// json PATH=WANT...: looks into the JSON of the last output. A number in a
		// path is an index, "len" the length of a list.
		"json": looksLike,
		// agent NAME FLAGS...: starts an agent.
		"agent": w.agent,
		// crash NAME: ends an agent as kill -9 does.
		"crash": w.crash,
		// capture VARIABLE: keeps the first line of the last output.
		"capture": capture,
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// untilWithin bounds what scripts wait for.
const untilWithin = 20 * time.Second

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATH=WANT ARGS...")
	}
	deadline, tick := time.NewTimer(untilWithin), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		err := ts.Exec("omnirelay", append(args[1:], "-o", "json")...)
		if err == nil {
			if err = check(ts.ReadFile("stdout"), args[0]); err == nil {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("not within %s: %v", untilWithin, err)
		}
	}
}

func looksLike(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: json PATH=WANT...")
	}
	for _, arg := range args {
		if err := check(ts.ReadFile("stdout"), arg); err != nil {
			ts.Fatalf("%v", err)
		}
	}
}

// check compares the value at a path of a JSON text.
func check(text, arg string) error {
	path, want, ok := strings.Cut(arg, "=")
	if !ok {
		return fmt.Errorf("%q is not PATH=WANT", arg)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("%w in %q", err, text)
	}
	for step := range strings.SplitSeq(path, ".") {
		var err error
		if value, err = descend(value, step); err != nil {
			return fmt.Errorf("%s: %w in %s", path, err, text)
		}
	}
	if got := fmt.Sprint(value); got != want {
		return fmt.Errorf("%s is %s, want %s", path, got, want)
	}
	return nil
}

func descend(value any, step string) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		inner, ok := v[step]
		if !ok {
			return nil, fmt.Errorf("no %q", step)
		}
		return inner, nil
	case []any:
		if step == "len" {
			return len(v), nil
		}
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(v) {
			return nil, fmt.Errorf("no index %q in a list of %d", step, len(v))
		}
		return v[i], nil
	}
	return nil, fmt.Errorf("nothing below %v for %q", value, step)
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: capture VARIABLE")
	}
	line, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	if line == "" {
		ts.Fatalf("there was no output to capture")
	}
	ts.Setenv(args[0], line)
}

func (w *world) agent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: agent NAME FLAGS...")
	}
	w.agents[args[0]] = harness.StartAgent(w.t, w.server, w.data, args[0], args[1:]...)
}

func (w *world) crash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || w.agents[args[0]] == nil {
		ts.Fatalf("usage: crash NAME, of an agent that was started")
	}
	w.agents[args[0]].Kill()
}
