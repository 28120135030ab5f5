package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func maintenanceCommand() *cli.Command {
	return &cli.Command{
		Name: "maintenance", Usage: "times at which nodes are cordoned or drained, and come back by themselves",
		Subcommands: []*cli.Command{
			verb{name: "list", usage: "list maintenance windows", run: listMaintenance, flags: readFlags(
				&cli.StringSliceFlag{Name: "status", Usage: "`STATUS[,…]`: scheduled, active, ended"},
				&cli.IntFlag{Name: "page-size", Usage: "one page of `N` items, not all"},
				&cli.StringFlag{Name: "page-token", Usage: "the page of this `TOKEN`, with --page-size"},
				&cli.StringFlag{Name: "order-by", Usage: "`FIELD` to order by, - before it for descending"},
			)}.command(),
			verb{name: "get", usage: "show a maintenance window", args: "NAME", min: 1, max: 1, flags: readFlags(), run: getMaintenance}.command(),
			verb{name: "create", usage: "make a maintenance window; --reason is kept with it", args: "NAME", min: 1, max: 1, run: createMaintenance, flags: mutateFlags(
				&cli.StringSliceFlag{Name: "node", Usage: "`NODE[,…]` that it is about"},
				&cli.StringSliceFlag{Name: "label", Usage: "and nodes with label `KEY[=VALUE]`; all must match"},
				&cli.StringFlag{Name: "start", Usage: "`TIME` as RFC 3339, or from now on, for example 30m; now if not given"},
				&cli.StringFlag{Name: "end", Usage: "`TIME` as RFC 3339, or from now on, for example 2h"},
				&cli.DurationFlag{Name: "for", Usage: "`LENGTH` of the window, in place of --end"},
				&cli.StringFlag{Name: "impact", Value: "drain", Usage: "`IMPACT`: none, cordon, drain"},
				deadlineFlag(),
			)}.command(),
			verb{name: "end", usage: "end a maintenance window now; its nodes come back", args: "NAME", min: 1, max: 1, flags: mutateFlags(), run: endMaintenance}.command(),
			verb{name: "delete", usage: "take a maintenance window away; its nodes come back", args: "NAME", min: 1, max: 1, flags: mutateFlags(), run: deleteMaintenance}.command(),
		},
	}
}

type window = controlv1.MaintenanceWindow

func maintenanceView() render.View[*window] {
	return render.View[*window]{
		Ref: (*window).GetName,
		Columns: []render.Column[*window]{
			{Name: "NAME", Value: (*window).GetName},
			{Name: "STATUS", Value: func(w *window) string { return v1json.EnumWord(w.GetStatus()) }},
			{Name: "IMPACT", Value: func(w *window) string { return v1json.EnumWord(w.GetImpact()) }},
			{Name: "START", Value: func(w *window) string { return clock(w.GetStart()) }},
			{Name: "END", Value: func(w *window) string { return clock(w.GetEnd()) }},
			{Name: "NODES", Value: func(w *window) string { return dash(strings.Join(w.GetNodeIds(), ",")) }},
			{Name: "LABELS", Value: func(w *window) string { return dash(strings.Join(w.GetSelectors(), ",")) }},
			{Name: "REASON", Value: func(w *window) string { return dash(w.GetReason()) }},
			{Name: "CREATED BY", Wide: true, Value: (*window).GetCreatedBy},
			{Name: "VERSION", Wide: true, Value: func(w *window) string { return number(w.GetVersion()) }},
		},
	}
}

func listMaintenance(c *call) error {
	req := &controlv1.ListMaintenanceRequest{PageToken: c.String("page-token"), OrderBy: c.String("order-by")}
	var err error
	if req.Statuses, err = enums[controlv1.MaintenanceStatus]("status", controlv1.MaintenanceStatus(0).Descriptor(), c.StringSlice("status")); err != nil {
		return err
	}
	if req.Read, err = c.readOptions(time.Now()); err != nil {
		return err
	}
	if req.PageSize, err = c.pageSize(); err != nil {
		return err
	}
	get := c.client.Maintenance.Collect
	if req.PageSize > 0 {
		get = c.client.Maintenance.List
	}
	page, err := get(c.ctx, req)
	if err != nil {
		return err
	}
	return render.List(c.out, maintenanceView(), page.Items, page.Position, page.Next)
}

func getMaintenance(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	w, err := c.client.Maintenance.Get(c.ctx, &controlv1.GetMaintenanceRequest{Name: c.Args().First(), Read: read})
	if err != nil {
		return err
	}
	return render.Record(c.out, maintenanceView(), w)
}

const momentAllowed = "a time as RFC 3339, or how long from now, for example 30m"

// moment reads a time to come; nil when the flag is not given.
func (c *call) moment(flag string, now time.Time) (*timestamppb.Timestamp, error) {
	s := c.String(flag)
	if s == "" {
		return nil, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return timestamppb.New(t), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return timestamppb.New(now.Add(d)), nil
	}
	return nil, usage("--%s: %q is no time (allowed: %s)", flag, s, momentAllowed)
}

func createMaintenance(c *call) error {
	name, now := c.Args().First(), time.Now()
	within, err := drainWithin(c)
	if err != nil {
		return err
	}
	req := &controlv1.CreateMaintenanceRequest{
		Name: name, NodeIds: c.StringSlice("node"), Selectors: c.StringSlice("label"), DrainDeadlineMs: within.Milliseconds(), Mutation: c.mutation(),
	}
	impacts, err := enums[controlv1.MaintenanceImpact]("impact", controlv1.MaintenanceImpact(0).Descriptor(), []string{c.String("impact")})
	if err != nil {
		return err
	}
	req.Impact = impacts[0]
	if req.Start, err = c.moment("start", now); err != nil {
		return err
	}
	if req.End, err = c.moment("end", now); err != nil {
		return err
	}
	if c.IsSet("for") == (req.End != nil) {
		return usage("when does it end? (allowed: one of --end and --for)")
	}
	if c.IsSet("for") {
		from := now
		if req.Start != nil {
			from = req.Start.AsTime()
		}
		req.End = timestamppb.New(from.Add(c.Duration("for")))
	}
	if len(req.NodeIds)+len(req.Selectors) == 0 {
		return usage("which nodes is it about? (allowed: --node, --label, or both)")
	}
	if req.Impact == controlv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN {
		if err := c.confirm("drain the nodes of maintenance window %s?", name); err != nil {
			return err
		}
	}
	r, err := c.client.Maintenance.Create(c.ctx, req)
	if err != nil {
		return err
	}
	return c.receipt(r, "maintenance window "+name+" created")
}

func endMaintenance(c *call) error {
	name := c.Args().First()
	r, err := c.client.Maintenance.End(c.ctx, &controlv1.EndMaintenanceRequest{Name: name, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, "maintenance window "+name+" ended")
}

func deleteMaintenance(c *call) error {
	name := c.Args().First()
	if err := c.confirm("delete maintenance window %s?", name); err != nil {
		return err
	}
	r, err := c.client.Maintenance.Delete(c.ctx, &controlv1.DeleteMaintenanceRequest{Name: name, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, "maintenance window "+name+" deleted")
}
