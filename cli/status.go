package cli

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func statusCommand() *cli.Command {
	return verb{name: "status", usage: "show how the mesh is", flags: readFlags(), run: showStatus}.command()
}

func versionsCommand() *cli.Command {
	return verb{name: "versions", usage: "show what the server that answers runs", run: showVersions}.command()
}

func awaitCommand() *cli.Command {
	return verb{name: "await", usage: "wait until a server has come to a position", args: "POSITION", min: 1, max: 1, run: await}.command()
}

func showStatus(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	s, err := c.client.System.Status(c.ctx, &controlv1.GetStatusRequest{Read: read})
	if err != nil {
		return err
	}
	if c.out.Format == render.JSON || c.out.Format == render.YAML {
		return render.Message(c.out, s, "")
	}
	if c.out.Format == render.Name {
		return render.Message(c.out, s, s.GetClusterId())
	}
	ready := "ready"
	if !s.GetReady() {
		ready = "not ready"
		if len(s.GetWaitingFor()) > 0 {
			ready += ", waiting for " + strings.Join(s.GetWaitingFor(), ", ")
		}
	}
	_, err = fmt.Fprintf(c.out.W, "cluster %s (log %s) is %s at position %d; leader %s\n%s%s; shards: %d, %d unowned, %d moving, %d quarantined; peers: %d alive, %d suspect, %d failed\n\n",
		s.GetClusterId(), dash(s.GetLog()), ready, s.GetPosition(), dash(s.GetLeader()), logState(s.GetLogState()),
		plural(int(s.GetNamespaces()), "namespace"), s.GetShards().GetTotal(), s.GetShards().GetUnowned(), s.GetShards().GetMoving(), s.GetShards().GetQuarantined(),
		s.GetPeers().GetAlive(), s.GetPeers().GetSuspect(), s.GetPeers().GetFailed())
	if err != nil {
		return err
	}
	return render.List(c.out, serverView(), s.GetServers(), s.GetPosition(), "")
}

// logState says what keeps the log from taking every command, a line each.
func logState(s *controlv1.LogState) string {
	var told strings.Builder
	if s.GetSealed() != 0 {
		fmt.Fprintf(&told, "the log is sealed since position %d: no command is taken until it is unsealed\n", s.GetSealed())
	}
	if s.GetSettling() {
		told.WriteString("the era is settling after a restore: no session is opened while a lease of the time before may live\n")
	}
	return told.String()
}

func serverView() render.View[*controlv1.ServerStatus] {
	return render.View[*controlv1.ServerStatus]{
		Ref: (*controlv1.ServerStatus).GetName,
		Columns: []render.Column[*controlv1.ServerStatus]{
			{Name: "SERVER", Value: (*controlv1.ServerStatus).GetName},
			{Name: "ROLE", Value: (*controlv1.ServerStatus).GetRole},
			{Name: "READY", Value: func(s *controlv1.ServerStatus) string { return fmt.Sprint(s.GetReady()) }},
			{Name: "POSITION", Value: func(s *controlv1.ServerStatus) string { return number(s.GetPosition()) }},
			{Name: "LAG", Value: func(s *controlv1.ServerStatus) string { return number(s.GetLagEvents()) }},
			{Name: "HEAD HASH", Wide: true, Value: func(s *controlv1.ServerStatus) string { return dash(s.GetHeadHash()) }},
		},
	}
}

func showVersions(c *call) error {
	v, err := c.client.System.Versions(c.ctx)
	if err != nil {
		return err
	}
	return render.Message(c.out, v, fmt.Sprintf("mesh %s (%s), event schema %d, evolve %d, strategies %s; this client %s",
		v.GetMeshVersion(), v.GetGoVersion(), v.GetSchemaVersion(), v.GetEvolveVersion(), strings.Join(v.GetStrategies(), ", "), dash(c.App.Version)))
}

func await(c *call) error {
	position, err := parsePosition("POSITION", c.Args().First())
	if err != nil {
		return err
	}
	s, err := c.client.System.Status(c.ctx, &controlv1.GetStatusRequest{Read: &controlv1.ReadOptions{MinPosition: position}})
	if err != nil {
		return err
	}
	return render.Message(c.out, s, number(s.GetPosition()))
}

// versionCommand shows what this binary is; it asks nobody.
func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "show the version of this binary",
		Flags: []cli.Flag{&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: string(render.Table), Usage: "`FORMAT`: table, json"}},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usage("version takes no arguments")
			}
			switch c.String("output") {
			case string(render.Table):
				_, err := fmt.Fprintf(c.App.Writer, "%s %s %s %s/%s\n", c.App.Name, c.App.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			case string(render.JSON):
				b := v1json.AppendString([]byte(`{"version":`), c.App.Version)
				b = v1json.AppendString(append(b, `,"goVersion":`...), runtime.Version())
				b = v1json.AppendString(append(b, `,"platform":`...), runtime.GOOS+"/"+runtime.GOARCH)
				_, err := c.App.Writer.Write(append(b, "}\n"...))
				return err
			}
			return usage("-o: %q is unknown (allowed: table, json)", c.String("output"))
		},
	}
}
