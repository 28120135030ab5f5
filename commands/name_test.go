package commands_test

import (
	"strings"
	"testing"

	"github.com/omnirelay/omnirelay/commands"
)

func TestCheckName(t *testing.T) {
	for name, want := range map[string]string{
		"n1": "", "A.b_c-9": "", strings.Repeat("a", commands.MaxName): "",
		"":                                      "is missing",
		"a b":                                   `' ' at character 2`,
		"größe":                                 `'ö' at character 3`,
		"-a":                                    `'-' at character 1`,
		"a\xff":                                 `at character 2`,
		"a\nb":                                  `'\n' at character 2`,
		strings.Repeat("a", commands.MaxName+1): "has 129 characters",
	} {
		err := commands.CheckName("namespace", name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
