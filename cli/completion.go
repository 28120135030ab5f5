package cli

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/urfave/cli/v2"
)

// scripts are the completion scripts, with PROG where the program's name goes.
//
//go:embed completion
var scripts embed.FS

func completionCommand() *cli.Command {
	shells := []struct{ name, file, how string }{
		{"bash", "bash", "source <(PROG completion bash)"},
		{"zsh", "zsh", "source <(PROG completion zsh)"},
		{"fish", "fish", "PROG completion fish | source"},
		{"pwsh", "ps1", "PROG completion pwsh | Out-String | Invoke-Expression"},
	}
	c := &cli.Command{Name: "completion", Usage: "print a script that completes commands and flags in a shell"}
	for _, shell := range shells {
		c.Subcommands = append(c.Subcommands, &cli.Command{
			Name: shell.name, Usage: strings.ReplaceAll(shell.how, "PROG", "omnirelay"),
			Action: func(c *cli.Context) error {
				script, err := fs.ReadFile(scripts, "completion/omnirelay."+shell.file)
				if err != nil {
					return err
				}
				_, err = c.App.Writer.Write([]byte(strings.ReplaceAll(string(script), "PROG", c.App.Name)))
				return err
			},
		})
	}
	return c
}
