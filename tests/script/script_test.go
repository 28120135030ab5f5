package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestScripts runs every script. The environment names the server by
// OMNIRELAY_ENDPOINT, and $URL for those that use flags.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	bin := t.TempDir()
	if err := os.Symlink(harness.Binary(t), filepath.Join(bin, "omnirelay")); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := harness.StartServer(t, "--session-ttl", "2s")
			w := &world{t: t, server: s, data: t.TempDir(), agents: map[string]*harness.Process{}}
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error {
					env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
					env.Setenv("OMNIRELAY_ENDPOINT", s.URL())
					env.Setenv("URL", s.URL())
					env.Setenv("HOME", env.WorkDir)
					return nil
				},
				Cmds:                w.commands(),
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
			})
		})
	}
}
