package cli

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSaveContext(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	dev := Context{Endpoints: []string{"http://127.0.0.1:8080"}, Token: "secret"}
	other := Context{Endpoints: []string{"https://mesh.example:8443"}, Identity: "/etc/id"}
	for _, save := range []struct {
		name string
		c    Context
	}{{"dev", other}, {"other", other}, {"dev", dev}} {
		current, err := SaveContext(save.name, save.c)
		if err != nil {
			t.Fatal(err)
		}
		if want := save.name == "dev"; current != want {
			t.Errorf("%s is current: %v, want %v", save.name, current, want)
		}
	}
	f, err := loadContexts()
	if err != nil {
		t.Fatal(err)
	}
	want := &contextFile{Current: "dev", Contexts: map[string]Context{"dev": dev, "other": other}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	path, err := configPath()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v: a file with tokens is for its user alone", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("curent: dev\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadContexts(); ExitCode(err) != exitUsage {
		t.Errorf("a file with an unknown key: %v", err)
	}
}

// Credentials go where their context says, and nowhere else.
func TestCredentials(t *testing.T) {
	f := &contextFile{Contexts: map[string]Context{
		"a": {Endpoints: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}, Token: "for-a"},
		"b": {Endpoints: []string{"https://b.example"}, Token: "for-b"},
	}}
	tests := []struct {
		name      string
		endpoints []string
		want      string
	}{
		{"one of its servers", []string{"http://127.0.0.1:2/"}, "for-a"},
		{"written otherwise", []string{"HTTPS://B.example/"}, "for-b"},
		{"another server", []string{"http://127.0.0.1:3"}, ""},
		{"another scheme", []string{"http://b.example"}, ""},
		{"a stranger beside a known one", []string{"http://127.0.0.1:1", "http://127.0.0.1:3"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := f.credentialsFor("a", test.endpoints).Token; got != test.want {
				t.Errorf("token %q, want %q", got, test.want)
			}
		})
	}
}

func TestTokenIsSafe(t *testing.T) {
	for endpoint, safe := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost:8080": true, "https://mesh.example": true,
		"http://mesh.example": false, "http://10.0.0.1": false, "http://localhost.example": false,
	} {
		if err := tokenIsSafe(Context{Endpoints: []string{endpoint}, Token: "t"}); (err == nil) != safe {
			t.Errorf("%s: %v, want safe: %t", endpoint, err, safe)
		}
		if err := tokenIsSafe(Context{Endpoints: []string{endpoint}}); err != nil {
			t.Errorf("%s without a token: %v", endpoint, err)
		}
	}
}
