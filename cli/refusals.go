package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

func refusalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "refused", Usage: "list calls that were refused instead, the oldest that are kept first; --from is an id then"},
		&cli.StringFlag{Name: "code", Usage: "with --refused: calls refused for this reason `CODE`, for example node_cordoned"},
		&cli.StringFlag{Name: "command", Usage: "with --refused: calls of this `COMMAND`, for example shard.Move"},
	}
}

// checkRefusalFlags refuses flags that say nothing about the list that is asked
// for, rather than passing over them.
func (c *call) checkRefusalFlags() error {
	wrong, why := []string{"code", "command"}, "goes with --refused"
	if c.Bool("refused") {
		wrong, why = []string{"as-of", "in", "type", "id", "entity"}, "does not go with --refused (allowed: --actor, --code, --command, --correlation, --from)"
	}
	for _, name := range wrong {
		if c.IsSet(name) {
			return usage("--%s %s", name, why)
		}
	}
	return nil
}

func refusalView() render.View[*controlv1.Refusal] {
	return render.View[*controlv1.Refusal]{
		Ref: func(r *controlv1.Refusal) string { return number(r.GetId()) },
		Columns: []render.Column[*controlv1.Refusal]{
			{Name: "ID", Wide: true, Value: func(r *controlv1.Refusal) string { return number(r.GetId()) }},
			{Name: "TIME", Value: func(r *controlv1.Refusal) string { return clock(r.GetTime()) }},
			{Name: "POSITION", Wide: true, Value: func(r *controlv1.Refusal) string { return known(r.GetPosition()) }},
			{Name: "ACTOR", Value: func(r *controlv1.Refusal) string { return dash(r.GetActor()) }},
			{Name: "COMMAND", Value: func(r *controlv1.Refusal) string { return dash(r.GetCommand()) }},
			{Name: "CODE", Value: (*controlv1.Refusal).GetCode},
			{Name: "COUNT", Value: func(r *controlv1.Refusal) string { return number(r.GetCount()) }},
			{Name: "REASON", Wide: true, Value: func(r *controlv1.Refusal) string { return dash(r.GetReason()) }},
			{Name: "TICKET", Wide: true, Value: func(r *controlv1.Refusal) string { return dash(r.GetChangeTicket()) }},
			{Name: "CORRELATION", Wide: true, Value: func(r *controlv1.Refusal) string { return dash(r.GetCorrelationId()) }},
			{Name: "MESSAGE", Value: refusalWords},
		},
	}
}

// refusalWords is why, in words; a count has none.
func refusalWords(r *controlv1.Refusal) string {
	if r.GetMessage() == "" && r.GetCount() > 1 {
		return plural(int(r.GetCount()), "call") + " without a record each"
	}
	return dash(strings.TrimSpace(r.GetMessage()))
}

func listRefused(c *call, from int64, size int32) error {
	req := &controlv1.ListRefusalsRequest{
		From: from, Limit: size,
		Actor: c.String("actor"), Code: c.String("code"), Command: c.String("command"), CorrelationId: c.String("correlation"),
	}
	if size > 0 {
		page, err := c.client.Log.Refusals(c.ctx, req)
		if err != nil {
			return err
		}
		next := ""
		if page.GetNextFrom() > 0 {
			next = number(page.GetNextFrom()) // for --from
		}
		return render.List(c.out, refusalView(), page.GetRefusals(), page.GetPosition(), next)
	}
	req.Limit = maxPage
	var refusals []*controlv1.Refusal
	for r, err := range c.client.Log.AllRefusals(c.ctx, req) {
		if err != nil {
			return err
		}
		refusals = append(refusals, r)
	}
	_, position := c.client.LastPosition()
	return render.List(c.out, refusalView(), refusals, position, "")
}
