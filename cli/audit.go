package cli

import (
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

func auditCommand() *cli.Command {
	return verb{name: "audit", usage: "list events by who caused them and what they are about, or refused calls", run: audit, flags: slices.Concat(readFlags(
		&cli.StringFlag{Name: "from", Usage: "start at position `N`; at the first event if not given"},
		&cli.IntFlag{Name: "page-size", Usage: "one page of `N` events, not all"},
	), eventFilters(), refusalFlags())}.command()
}

func audit(c *call) error {
	from, err := c.from()
	if err != nil {
		return err
	}
	size, err := c.pageSize()
	if err != nil {
		return err
	}
	if err := c.checkRefusalFlags(); err != nil {
		return err
	}
	if c.Bool("refused") {
		return listRefused(c, from, size)
	}
	req, err := c.listRequest(from)
	if err != nil {
		return err
	}
	if size > 0 {
		req.Limit = size
		page, err := c.client.Log.List(c.ctx, req)
		if err != nil {
			return err
		}
		next := ""
		if page.GetNextFrom() > 0 {
			next = number(page.GetNextFrom()) // for --from
		}
		return render.List(c.out, eventView(), page.GetEvents(), page.GetPosition(), next)
	}
	req.From = max(from, 1)
	var page *controlv1.ListEventsResponse
	var events []*controlv1.LogEvent
	for req.From > 0 {
		if page, err = c.client.Log.List(c.ctx, req); err != nil {
			return err
		}
		events = append(events, page.GetEvents()...)
		req.From = page.GetNextFrom()
	}
	return render.List(c.out, eventView(), events, page.GetPosition(), "")
}

// listRequest asks for the events that the flags mean, from a position on.
func (c *call) listRequest(from int64) (*controlv1.ListEventsRequest, error) {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return nil, err
	}
	return &controlv1.ListEventsRequest{
		From: from, Limit: maxPage, Read: read,
		Context: c.String("in"), Type: c.String("type"), Id: c.String("id"), Actor: c.String("actor"), CorrelationId: c.String("correlation"),
	}, nil
}
