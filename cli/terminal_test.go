package cli_test

import (
	"context"
	"strings"
	"testing"

	meshcli "github.com/omnirelay/omnirelay/cli"
)

// terminal is a reader or writer that says that it is one.
type terminal struct {
	strings.Builder
	*strings.Reader
}

func (*terminal) IsTerminal() bool { return true }

// run runs a command line on a terminal where the user types answer.
func run(t *testing.T, answer, line string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("OMNIRELAY_ENDPOINT", serve(t))
	var errs strings.Builder
	out := &terminal{}
	a := app()
	a.Reader, a.Writer, a.ErrWriter = &terminal{Reader: strings.NewReader(answer)}, out, &errs
	code = meshcli.Main(context.Background(), a, append([]string{"omnirelay"}, strings.Fields(line)...))
	return code, out.String(), errs.String()
}

func TestDestructiveVerbsAsk(t *testing.T) {
	tests := []struct {
		answer string
		code   int
		out    string
	}{
		{"y\n", 0, "namespace demo is being deleted at position 43\n"},
		{"YES\n", 0, "namespace demo is being deleted at position 43\n"},
		{"n\n", 1, ""},
		{"\n", 1, ""},
		{"", 1, ""},
	}
	for _, test := range tests {
		code, out, errs := run(t, test.answer, "mesh namespaces delete demo")
		if code != test.code || out != test.out || !strings.Contains(errs, "delete namespace demo with all its shards? [y/N]") {
			t.Errorf("answer %q: exit %d, %q, %q", test.answer, code, out, errs)
		}
	}
}

func TestLiveTable(t *testing.T) {
	code, out, errs := run(t, "", "mesh peers list --watch")
	if code != 1 || !strings.Contains(errs, "the feed is over") {
		t.Errorf("exit %d, %q", code, errs)
	}
	const clear = "\x1b[H\x1b[2J"
	last := out[strings.LastIndex(out, clear)+len(clear):]
	want := "" +
		"┌──────┬────────┬────────┬──────┬────────┬───────────┬─────────┬──────────────────────┐\n" +
		"│ NODE │ ROLE   │ REGION │ ZONE │ STATUS │ LIFECYCLE │ VERSION │ LAST SEEN            │\n" +
		"├──────┼────────┼────────┼──────┼────────┼───────────┼─────────┼──────────────────────┤\n" +
		"│ n1   │ worker │ eu     │ a    │ alive  │ active    │ 2       │ 2026-01-02T03:04:05Z │\n" +
		"│ n2   │ worker │ -      │ -    │ failed │ active    │ 5       │ -                    │\n" +
		"└──────┴────────┴────────┴──────┴────────┴───────────┴─────────┴──────────────────────┘\n"
	if last != want {
		t.Errorf("last picture:\n%s\nwant:\n%s", last, want)
	}
}

func TestInterruptEndsAWatchWell(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("OMNIRELAY_ENDPOINT", serve(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs strings.Builder
	a := app()
	a.Writer, a.ErrWriter = &out, &errs
	if code := meshcli.Main(ctx, a, []string{"omnirelay", "mesh", "peers", "watch"}); code != 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
