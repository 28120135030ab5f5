package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func shardsCommand() *cli.Command {
	filters := []cli.Flag{
		&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "shards of this `NAMESPACE`"},
		&cli.StringFlag{Name: "owner", Usage: "shards of this `NODE`"},
		&cli.StringSliceFlag{Name: "status", Usage: "`STATUS[,…]`: active, draining, paused, disabled"},
		&cli.StringFlag{Name: "search", Usage: "references that contain `TEXT`"},
	}
	return &cli.Command{
		Name: "shards", Aliases: []string{"shard"}, Usage: "who owns which shard",
		Subcommands: append([]*cli.Command{
			verb{name: "list", usage: "list shards", flags: listFlags(filters...), run: listShards}.command(),
			verb{name: "get", usage: "show a shard", args: "NS/ID", min: 1, max: 1, flags: readFlags(), run: getShard}.command(),
			verb{name: "watch", usage: "show each change of a shard", flags: watchFlags(filters...), run: watchShards}.command(),
			verb{name: "history", usage: "list all changes of a shard, oldest first", args: "NS/ID", min: 1, max: 1, flags: readFlags(
				&cli.IntFlag{Name: "page-size", Usage: "one page of `N` items, not all"},
				&cli.StringFlag{Name: "page-token", Usage: "the page of this `TOKEN`, with --page-size"},
			), run: shardHistory}.command(),
			verb{name: "diff", usage: "list the changes between two positions; exit 8 if there are any", flags: append([]cli.Flag{
				&cli.StringFlag{Name: "from", Required: true, Usage: "changes after position `P`"},
				&cli.StringFlag{Name: "to", Required: true, Usage: "changes up to position `P`"},
			}, filters...), run: diffShards}.command(),
			verb{name: "simulate", usage: "show where a strategy would place shards", flags: readFlags(
				append(ruleFlags(),
					&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Required: true, Usage: "shards of this `NAMESPACE`"},
					&cli.StringFlag{Name: "strategy", Usage: "`STRATEGY`: optimal, ring, rendezvous, locality; the namespace's own if not given"},
					&cli.StringSliceFlag{Name: "nodes", Usage: "`NODE[,…]`, weight 1 each; those eligible then if not given"},
					&cli.StringSliceFlag{Name: "lose", Usage: "as if `NODE[,…]` were lost"},
					&cli.StringSliceFlag{Name: "weight", Usage: "as if nodes had these weights: `NODE=W[,…]`"},
					&cli.Float64Flag{Name: "load-bound", Usage: "as if no node could be above `X` times the mean"})...,
			), run: simulateShards}.command(),
			verb{name: "move", usage: "move shards to a node, where they are held for 10 minutes", args: "NS/ID…", min: 1, max: -1, run: moveShards, flags: mutateFlags(
				&cli.StringFlag{Name: "to", Required: true, Usage: "the `NODE` that shall own them"},
				&cli.BoolFlag{Name: "force", Usage: "take them from owners that do not release: the session of a live owner is closed, a silent one is passed over as the ownership mode allows"},
				&cli.BoolFlag{Name: "wait", Usage: "return when they are moved; exit 1 if a move ended otherwise"},
			)}.command(),
			verb{name: "cancel-move", usage: "leave shards that are being moved where they are", args: "NS/ID…", min: 1, max: -1, flags: mutateFlags(), run: cancelMoves}.command(),
			verb{name: "pause", usage: "keep shards with their owners until they are resumed, and unowned if those die", args: "NS/ID…", min: 1, max: -1, flags: mutateFlags(), run: pauseShards}.command(),
			verb{name: "resume", usage: "end a pause", args: "NS/ID…", min: 1, max: -1, flags: mutateFlags(), run: resumeShards}.command(),
		}, quarantineVerbs()...),
	}
}

func shardName(s *controlv1.ShardRecord) string { return s.GetNamespace() + "/" + s.GetShardId() }

func shardView() render.View[*controlv1.ShardRecord] {
	return render.View[*controlv1.ShardRecord]{
		Ref: shardName,
		Columns: []render.Column[*controlv1.ShardRecord]{
			{Name: "SHARD", Value: shardName},
			{Name: "OWNER", Value: func(s *controlv1.ShardRecord) string { return dash(s.GetOwnerNodeId()) }},
			{Name: "STATUS", Value: func(s *controlv1.ShardRecord) string { return v1json.EnumWord(s.GetStatus()) }},
			{Name: "LEADER", Wide: true, Value: func(s *controlv1.ShardRecord) string { return dash(s.GetLeaderId()) }},
			{Name: "STRATEGY", Wide: true, Value: (*controlv1.ShardRecord).GetStrategyId},
			{Name: "FENCE", Value: func(s *controlv1.ShardRecord) string { return known(s.GetFenceToken()) }},
			{Name: "SESSION", Wide: true, Value: func(s *controlv1.ShardRecord) string { return known(s.GetSessionId()) }},
			{Name: "OWNERSHIP", Wide: true, Value: func(s *controlv1.ShardRecord) string { return v1json.EnumWord(s.GetOwnership()) }},
			{Name: "OWNERSHIP TTL", Wide: true, Value: func(s *controlv1.ShardRecord) string { return ownershipTTL(s.GetOwnershipTtlMs()) }},
			{Name: "SILENT", Wide: true, Value: func(s *controlv1.ShardRecord) string { return yesOrDash(s.GetOwnerSilent()) }},
			{Name: "VERSION", Value: func(s *controlv1.ShardRecord) string { return number(s.GetVersion()) }},
			{Name: "READERS", Wide: true, Value: func(s *controlv1.ShardRecord) string { return dash(strings.Join(s.GetReaderNodeIds(), ",")) }},
			{Name: "MOVE TO", Value: func(s *controlv1.ShardRecord) string { return dash(s.GetMoveToNodeId()) }},
			{Name: "PHASE", Wide: true, Value: func(s *controlv1.ShardRecord) string {
				return dash(v1json.EnumWord(s.GetMovePhase()))
			}},
			{Name: "DEADLINE", Wide: true, Value: func(s *controlv1.ShardRecord) string { return clock(s.GetMoveDeadline()) }},
			{Name: "HELD UNTIL", Wide: true, Value: func(s *controlv1.ShardRecord) string { return clock(s.GetHeldUntil()) }},
			{Name: "QUARANTINED", Wide: true, Value: func(s *controlv1.ShardRecord) string { return clock(s.GetQuarantinedAt()) }},
			{Name: "DEATHS", Wide: true, Value: func(s *controlv1.ShardRecord) string { return known(int64(s.GetDeaths())) }},
			{Name: "LAST OWNER", Wide: true, Value: func(s *controlv1.ShardRecord) string { return dash(s.GetLastOwnerNodeId()) }},
			{Name: "CAPACITY", Wide: true, Value: func(s *controlv1.ShardRecord) string { return decimal(s.GetCapacityHint()) }},
			{Name: "TICKET", Wide: true, Value: func(s *controlv1.ShardRecord) string { return dash(s.GetChangeTicket()) }},
			{Name: "CHECKSUM", Wide: true, Value: (*controlv1.ShardRecord).GetChecksum},
			{Name: "UPDATED", Value: func(s *controlv1.ShardRecord) string { return clock(s.GetUpdatedAt()) }},
		},
	}
}

// shardOf is the row that a notification is about; gone when it left.
func shardOf(n *controlv1.ShardDiffNotification) (row *controlv1.ShardRecord, gone bool) {
	if n.GetCurrent() != nil {
		return n.GetCurrent(), false
	}
	return n.GetPrevious(), true
}

func shardChangeView() render.View[*controlv1.ShardDiffNotification] {
	owner := func(s *controlv1.ShardRecord) string { return dash(s.GetOwnerNodeId()) }
	return render.View[*controlv1.ShardDiffNotification]{
		Ref: func(n *controlv1.ShardDiffNotification) string {
			row, _ := shardOf(n)
			return shardName(row)
		},
		Columns: []render.Column[*controlv1.ShardDiffNotification]{
			{Name: "POSITION", Value: func(n *controlv1.ShardDiffNotification) string {
				if n.GetEventPosition() != 0 {
					return number(n.GetEventPosition())
				}
				return known(n.GetPosition())
			}},
			{Name: "EVENT", Width: 16, Value: func(n *controlv1.ShardDiffNotification) string {
				if n.GetHistory().GetEvent() == "" && n.GetPrevious() == nil {
					return "snapshot"
				}
				return dash(n.GetHistory().GetEvent())
			}},
			{Name: "SHARD", Width: 12, Value: func(n *controlv1.ShardDiffNotification) string {
				row, _ := shardOf(n)
				return shardName(row)
			}},
			{Name: "FROM", Value: func(n *controlv1.ShardDiffNotification) string { return owner(n.GetPrevious()) }},
			{Name: "TO", Value: func(n *controlv1.ShardDiffNotification) string { return owner(n.GetCurrent()) }},
			{Name: "STATUS", Value: func(n *controlv1.ShardDiffNotification) string {
				row, gone := shardOf(n)
				if gone {
					return "gone"
				}
				return v1json.EnumWord(row.GetStatus())
			}},
			{Name: "TIME", Wide: true, Value: func(n *controlv1.ShardDiffNotification) string { return clock(n.GetHistory().GetTime()) }},
			{Name: "ACTOR", Value: func(n *controlv1.ShardDiffNotification) string { return dash(n.GetHistory().GetActor()) }},
			{Name: "REASON", Value: func(n *controlv1.ShardDiffNotification) string { return n.GetHistory().GetReason() }},
			{Name: "TICKET", Wide: true, Value: func(n *controlv1.ShardDiffNotification) string { return n.GetHistory().GetChangeTicket() }},
		},
	}
}

func shardStatuses(c *call) ([]controlv1.ShardStatus, error) {
	return enums[controlv1.ShardStatus]("status", controlv1.ShardStatus(0).Descriptor(), c.StringSlice("status"))
}

func listShards(c *call) error {
	statuses, err := shardStatuses(c)
	if err != nil {
		return err
	}
	req := &controlv1.ShardListRequest{
		Namespace: c.String("namespace"), OwnerNodeId: c.String("owner"), Statuses: statuses, Search: c.String("search"),
		Cursor: c.String("page-token"), OrderBy: c.String("order-by"),
	}
	if req.Read, err = c.readOptions(time.Now()); err != nil {
		return err
	}
	if req.PageSize, err = c.pageSize(); err != nil {
		return err
	}
	if c.Bool("watch") {
		if err := c.checkLive(); err != nil {
			return err
		}
		return watchShardsFrom(c, statuses, 0)
	}
	get := c.client.Shards.Collect
	if req.PageSize > 0 {
		get = c.client.Shards.List
	}
	page, err := get(c.ctx, req)
	if err != nil {
		return err
	}
	return render.List(c.out, shardView(), page.Items, page.Position, page.Next)
}

func watchShards(c *call) error {
	after, err := c.resumeToken()
	if err != nil {
		return err
	}
	statuses, err := shardStatuses(c)
	if err != nil {
		return err
	}
	return watchShardsFrom(c, statuses, after)
}

// watchShardsFrom refuses a namespace that does not exist: the server would wait
// for it, and a person who mistyped it would too. What a token resumes did.
func watchShardsFrom(c *call, statuses []controlv1.ShardStatus, after int64) error {
	if name := c.String("namespace"); name != "" && after == 0 {
		if _, err := c.client.Namespaces.Get(c.ctx, &controlv1.GetNamespaceRequest{Namespace: name}); err != nil {
			return err
		}
	}
	feed := c.client.Shards.Watch(c.feed, &controlv1.ShardWatchRequest{
		Namespace: c.String("namespace"), OwnerNodeId: c.String("owner"), Statuses: statuses, Search: c.String("search"), ResumeToken: after,
	})
	return live(c, shardChangeView(), shardView(), feed, func(n *controlv1.ShardDiffNotification) (change[*controlv1.ShardRecord], bool) {
		row, _ := shardOf(n)
		return change[*controlv1.ShardRecord]{key: shardName(row), row: row, gone: leftFilter(c, statuses, n)}, true
	})
}

// leftFilter: a row that left the list is sent once more, as it is now, or
// without current when it is no more.
func leftFilter(c *call, statuses []controlv1.ShardStatus, n *controlv1.ShardDiffNotification) bool {
	row, gone := shardOf(n)
	if gone {
		return true
	}
	if owner := c.String("owner"); owner != "" && row.GetOwnerNodeId() != owner {
		return true
	}
	for _, s := range statuses {
		if row.GetStatus() == s {
			return false
		}
	}
	return len(statuses) > 0
}

func getShard(c *call) error {
	namespace, id, err := shardRef(c.Args().First())
	if err != nil {
		return err
	}
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	s, err := c.client.Shards.Get(c.ctx, &controlv1.GetShardRequest{Namespace: namespace, ShardId: id, Read: read})
	if err != nil {
		return err
	}
	return render.Record(c.out, shardView(), s)
}

func shardHistory(c *call) error {
	namespace, id, err := shardRef(c.Args().First())
	if err != nil {
		return err
	}
	req := &controlv1.ShardHistoryRequest{Namespace: namespace, ShardId: id, PageToken: c.String("page-token")}
	if req.Read, err = c.readOptions(time.Now()); err != nil {
		return err
	}
	if req.PageSize, err = c.pageSize(); err != nil {
		return err
	}
	get := c.client.Shards.CollectHistory
	if req.PageSize > 0 {
		get = c.client.Shards.History
	}
	page, err := get(c.ctx, req)
	if err != nil {
		return err
	}
	return render.List(c.out, shardChangeView(), page.Items, page.Position, page.Next)
}

func diffShards(c *call) error {
	statuses, err := shardStatuses(c)
	if err != nil {
		return err
	}
	from, err := parsePosition("--from", c.String("from"))
	if err != nil {
		return err
	}
	to, err := parsePosition("--to", c.String("to"))
	if err != nil {
		return err
	}
	res, err := c.client.Shards.CollectDiff(c.ctx, &controlv1.ShardDiffRequest{
		Namespace: c.String("namespace"), OwnerNodeId: c.String("owner"), Statuses: statuses, Search: c.String("search"), FromToken: from, ToToken: to,
	})
	if err != nil {
		return err
	}
	if err := render.List(c.out, shardChangeView(), res.GetDiffs(), res.GetLastPosition(), ""); err != nil {
		return err
	}
	if len(res.GetDiffs()) > 0 {
		return errDifference
	}
	return nil
}
