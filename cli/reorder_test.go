package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func TestReorder(t *testing.T) {
	tests := map[string]string{
		// What follows a flag that takes a value is its value, whatever it looks
		// like.
		"mesh peers list --as-of -5m":                "mesh peers list --as-of=-5m",
		"mesh peers get n1 -o json":                  "mesh peers get -o=json n1",
		"-o json mesh peers get n1":                  "mesh peers get -o=json n1",
		"mesh -o json peers --as-of 3 get n1":        "mesh peers get -o=json --as-of=3 n1",
		"mesh shards move a/1 --yes a/2 --to n2":     "mesh shards move --yes --to=n2 a/1 a/2",
		"mesh peers label n1 -- -x=1":                "mesh peers label -- n1 -x=1",
		"mesh peers label n1 k=v old-":               "mesh peers label n1 k=v old-",
		"mesh peers list --token=a=b":                "mesh peers list --token=a=b",
		"mesh peers list --generate-bash-completion": "mesh peers list --generate-bash-completion",
		"--help":                  "--help",
		"help":                    "--help",
		"help mesh shards":        "mesh shards --help",
		"mesh shards help":        "mesh shards --help",
		"mesh shards help move":   "mesh shards move --help",
		"mesh shards move --help": "mesh shards move --help",
		"mesh":                    "mesh",
		"":                        "",
	}
	for in, want := range tests {
		got, err := reorder(&cli.App{Commands: Commands(nil)}, append([]string{"omnirelay"}, strings.Fields(in)...))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, strings.Join(got[1:], " ")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", in, diff)
		}
	}
}

func TestReorderRefuses(t *testing.T) {
	for _, in := range []string{
		"mehs peers list", "mesh peers list --nope", "mesh peers list --as-of", "mesh shards move a/1", "--nope mesh status",
	} {
		_, err := reorder(&cli.App{Commands: Commands(nil)}, append([]string{"omnirelay"}, strings.Fields(in)...))
		var wrong *usageError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: got %v, want a usage error", in, err)
		}
	}
}
