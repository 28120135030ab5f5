package cli

import (
	"fmt"
	"math"
	"time"

	"connectrpc.com/connect"
	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func leadersCommand() *cli.Command {
	node := &cli.StringFlag{Name: "node", Required: true, Usage: "the `NODE` that it is about"}
	session := &cli.Int64Flag{Name: "session", Usage: "`SESSION` of the node; the present one if not given"}
	return &cli.Command{
		Name: "leaders", Aliases: []string{"leader"}, Usage: "who leads what",
		Subcommands: []*cli.Command{
			verb{name: "status", usage: "list the scopes that are led", args: "[SCOPE]", max: 1, flags: listFlags(), run: leadersStatus}.command(),
			verb{
				name: "campaign", usage: "make a node a candidate for a scope", args: "SCOPE", min: 1, max: 1, run: campaign,
				flags: mutateFlags(node, session,
					&cli.IntFlag{Name: "priority", Usage: "of candidates the highest `N` wins"},
					&cli.StringSliceFlag{Name: "label", Usage: "`KEY=VALUE` of the leadership"}),
			}.command(),
			verb{
				name: "resign", usage: "give a scope up", args: "SCOPE", min: 1, max: 1, run: resign,
				flags: mutateFlags(node,
					&cli.Int64Flag{Name: "session", Usage: "`SESSION` that gives up; any of the node's if not given"},
					&cli.Int64Flag{Name: "term", Usage: "`TERM` that is given up; the present one if not given"}),
			}.command(),
		},
	}
}

func leaderView() render.View[*controlv1.LeadershipToken] {
	return render.View[*controlv1.LeadershipToken]{
		Ref: (*controlv1.LeadershipToken).GetScope,
		Columns: []render.Column[*controlv1.LeadershipToken]{
			{Name: "SCOPE", Value: (*controlv1.LeadershipToken).GetScope},
			{Name: "KIND", Wide: true, Value: (*controlv1.LeadershipToken).GetScopeKind},
			{Name: "LEADER", Value: func(t *controlv1.LeadershipToken) string { return dash(t.GetLeaderId()) }},
			{Name: "TERM", Value: func(t *controlv1.LeadershipToken) string { return number(t.GetTerm()) }},
			{Name: "FENCE", Value: func(t *controlv1.LeadershipToken) string { return number(t.GetFenceToken()) }},
			{Name: "SESSION", Wide: true, Value: func(t *controlv1.LeadershipToken) string { return known(t.GetSessionId()) }},
			{Name: "ISSUED", Value: func(t *controlv1.LeadershipToken) string { return clock(t.GetIssuedAt()) }},
			{Name: "EXPIRES", Value: func(t *controlv1.LeadershipToken) string { return clock(t.GetExpiresAt()) }},
			{Name: "LABELS", Wide: true, Value: func(t *controlv1.LeadershipToken) string { return labels(t.GetLabels()) }},
		},
	}
}

func leaderChangeView() render.View[*controlv1.LeadershipEvent] {
	return render.View[*controlv1.LeadershipEvent]{
		Ref: (*controlv1.LeadershipEvent).GetScope,
		Columns: []render.Column[*controlv1.LeadershipEvent]{
			{Name: "POSITION", Value: func(e *controlv1.LeadershipEvent) string { return known(e.GetPosition()) }},
			{Name: "KIND", Width: 12, Value: func(e *controlv1.LeadershipEvent) string { return v1json.EnumWord(e.GetKind()) }},
			{Name: "SCOPE", Width: 16, Value: (*controlv1.LeadershipEvent).GetScope},
			{Name: "LEADER", Value: func(e *controlv1.LeadershipEvent) string { return dash(e.GetLeaderId()) }},
			{Name: "TERM", Value: func(e *controlv1.LeadershipEvent) string { return known(e.GetToken().GetTerm()) }},
			{Name: "REASON", Value: (*controlv1.LeadershipEvent).GetReason},
		},
	}
}

func leadersStatus(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	size, err := c.pageSize()
	if err != nil {
		return err
	}
	if c.Bool("watch") {
		if err := c.checkLive(); err != nil {
			return err
		}
		return watchLeaders(c)
	}
	req := &controlv1.ListLeadersRequest{Scope: c.Args().First(), PageSize: size, PageToken: c.String("page-token"), OrderBy: c.String("order-by"), Read: read}
	get := c.client.Leaders.Collect
	if size > 0 {
		get = c.client.Leaders.List
	}
	page, err := get(c.ctx, req)
	if err != nil {
		return err
	}
	return render.List(c.out, leaderView(), page.Items, page.Position, page.Next)
}

func watchLeaders(c *call) error {
	feed := c.client.Leaders.Subscribe(c.feed, &controlv1.LeadershipSubscribeRequest{Scope: c.Args().First()})
	return live(c, leaderChangeView(), leaderView(), feed, func(e *controlv1.LeadershipEvent) (change[*controlv1.LeadershipToken], bool) {
		switch e.GetKind() {
		case controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_SNAPSHOT, controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_ELECTED:
			return change[*controlv1.LeadershipToken]{key: e.GetScope(), row: e.GetToken()}, e.GetToken() != nil
		case controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_OBSERVED, controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_RENEWED:
			return change[*controlv1.LeadershipToken]{}, false
		}
		return change[*controlv1.LeadershipToken]{key: e.GetScope(), gone: true}, true
	})
}

func campaign(c *call) error {
	scope, node := c.Args().First(), c.String("node")
	own, err := pairs(c.StringSlice("label"), false)
	if err != nil {
		return err
	}
	priority := c.Int("priority")
	if int(int32(priority)) != priority {
		return usage("--priority is %d (allowed: %d to %d)", priority, math.MinInt32, math.MaxInt32)
	}
	session := c.Int64("session")
	if session == 0 {
		peer, err := c.client.Peers.Get(c.ctx, &controlv1.GetPeerRequest{NodeId: node})
		if err != nil {
			return err
		}
		if session = peer.GetSessionId(); session == 0 {
			return &client.Error{
				Code: connect.CodeFailedPrecondition, Reason: "session_unknown",
				Message: fmt.Sprintf("%s has no session, and only who has one can lead (allowed: a member that is alive)", node),
			}
		}
	}
	res, err := c.client.Leaders.Campaign(c.ctx, &controlv1.CampaignRequest{
		Scope: scope, NodeId: node, SessionId: session, Priority: int32(priority), Labels: own, Mutation: c.mutation(),
	})
	if err != nil {
		return err
	}
	done := fmt.Sprintf("%s is a candidate for %s", node, scope)
	if res.GetToken() != nil {
		done = fmt.Sprintf("%s leads %s with term %d", node, scope, res.GetToken().GetTerm())
	}
	return c.receipt(res.GetReceipt(), done)
}

func resign(c *call) error {
	scope, node := c.Args().First(), c.String("node")
	r, err := c.client.Leaders.Resign(c.ctx, &controlv1.ResignRequest{
		Scope: scope, NodeId: node, SessionId: c.Int64("session"), Term: c.Int64("term"), Mutation: c.mutation(),
	})
	if err != nil {
		return err
	}
	return c.receipt(r, fmt.Sprintf("%s gave up %s", node, scope))
}
