package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

func serversCommand() *cli.Command {
	return &cli.Command{
		Name: "servers", Aliases: []string{"server"}, Usage: "the servers of the control plane, and their copies of the log",
		Subcommands: []*cli.Command{
			verb{name: "list", usage: "list the servers and their copies of the log", run: listServers}.command(),
			verb{
				name: "replace", usage: "give the place of a server's lost directory to the empty one that it was started on",
				args: "SERVER", min: 1, max: 1, flags: mutateFlags(), run: replaceServer,
			}.command(),
		},
	}
}

func listServers(c *call) error {
	answer, err := c.client.System.ListServers(c.ctx, &controlv1.ListServersRequest{})
	if err != nil {
		return err
	}
	view := serverView()
	view.Columns = append(view.Columns,
		render.Column[*controlv1.ServerStatus]{Name: "ADDRESS", Value: func(s *controlv1.ServerStatus) string { return dash(s.GetAddress()) }},
		render.Column[*controlv1.ServerStatus]{Name: "REPLICA", Value: func(s *controlv1.ServerStatus) string { return dash(s.GetReplica().GetState()) }},
		render.Column[*controlv1.ServerStatus]{Name: "VERSION", Wide: true, Value: func(s *controlv1.ServerStatus) string { return dash(s.GetMeshVersion()) }},
		render.Column[*controlv1.ServerStatus]{Name: "DIRECTORY", Wide: true, Value: func(s *controlv1.ServerStatus) string { return dash(s.GetReplica().GetDirectory()) }},
		render.Column[*controlv1.ServerStatus]{Name: "WAITS FOR", Wide: true, Value: func(s *controlv1.ServerStatus) string { return dash(strings.Join(s.GetWaitingFor(), "; ")) }},
	)
	return render.List(c.out, view, answer.GetServers(), answer.GetPosition(), "")
}

func replaceServer(c *call) error {
	server := c.Args().First()
	if err := c.confirm("give up the copy of the log that %s had, for the empty directory that it was started on?", server); err != nil {
		return err
	}
	res, err := c.client.System.ReplaceServer(c.ctx, &controlv1.ReplaceServerRequest{Server: server, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(res.GetReceipt(), "the replica of "+server+" is on its new directory")
}
