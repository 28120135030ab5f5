package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func schedulesCommand() *cli.Command {
	paged := []cli.Flag{
		&cli.IntFlag{Name: "page-size", Usage: "one page of `N` items, not all"},
		&cli.StringFlag{Name: "page-token", Usage: "the page of this `TOKEN`, with --page-size"},
	}
	return &cli.Command{
		Name: "schedules", Aliases: []string{"schedule"}, Usage: "commands that are given later, once or again and again",
		Subcommands: []*cli.Command{
			verb{name: "list", usage: "list schedules", flags: readFlags(append(paged,
				&cli.StringFlag{Name: "order-by", Usage: "`FIELD` to order by, - before it for descending"},
				&cli.StringFlag{Name: "search", Usage: "names that contain `TEXT`"},
				&cli.StringSliceFlag{Name: "status", Usage: "`STATUS[,…]`: active, retrying, paused, finished"},
			)...), run: listSchedules}.command(),
			verb{name: "get", usage: "show a schedule", args: "NAME", min: 1, max: 1, flags: readFlags(), run: getSchedule}.command(),
			verb{name: "history", usage: "list all that became of a schedule, oldest first", args: "NAME", min: 1, max: 1, flags: readFlags(paged...), run: scheduleHistory}.command(),
			verb{name: "create", usage: "make a schedule: one time, one action", args: "NAME", min: 1, max: 1, flags: mutateFlags(scheduleFlags()...), run: createSchedule}.command(),
			verb{name: "delete", usage: "end a schedule", args: "NAME", min: 1, max: 1, flags: mutateFlags(), run: deleteSchedule}.command(),
			verb{name: "pause", usage: "keep a schedule from firing until it is resumed", args: "NAME", min: 1, max: 1, flags: mutateFlags(), run: pauseSchedule}.command(),
			verb{name: "resume", usage: "end a pause; the next due is the first one after it", args: "NAME", min: 1, max: 1, flags: mutateFlags(), run: resumeSchedule}.command(),
		},
	}
}

func scheduleView() render.View[*controlv1.Schedule] {
	return render.View[*controlv1.Schedule]{
		Ref: (*controlv1.Schedule).GetName,
		Columns: []render.Column[*controlv1.Schedule]{
			{Name: "NAME", Value: (*controlv1.Schedule).GetName},
			{Name: "STATUS", Value: func(s *controlv1.Schedule) string { return v1json.EnumWord(s.GetStatus()) }},
			{Name: "WHEN", Value: func(s *controlv1.Schedule) string { return timingWords(s.GetTiming()) }},
			{Name: "ACTION", Value: func(s *controlv1.Schedule) string { return actionWords(s.GetAction()) }},
			{Name: "NEXT", Value: func(s *controlv1.Schedule) string { return clock(s.GetNextRun()) }},
			{Name: "LAST", Value: func(s *controlv1.Schedule) string { return runWords(s.GetLastRun()) }},
			{Name: "MISSED", Wide: true, Value: func(s *controlv1.Schedule) string { return v1json.EnumWord(s.GetMissed()) }},
			{Name: "ATTEMPTS", Wide: true, Value: func(s *controlv1.Schedule) string { return number(int64(s.GetRetry().GetAttempts())) }},
			{Name: "BY", Wide: true, Value: func(s *controlv1.Schedule) string { return dash(s.GetCreatedBy()) }},
			{Name: "REASON", Wide: true, Value: func(s *controlv1.Schedule) string { return dash(s.GetReason()) }},
			{Name: "TICKET", Wide: true, Value: func(s *controlv1.Schedule) string { return dash(s.GetChangeTicket()) }},
			{Name: "VERSION", Value: func(s *controlv1.Schedule) string { return number(s.GetVersion()) }},
			{Name: "CREATED", Wide: true, Value: func(s *controlv1.Schedule) string { return clock(s.GetCreatedAt()) }},
		},
	}
}

func timingWords(t *controlv1.Timing) string {
	switch k := t.GetTiming().(type) {
	case *controlv1.Timing_At:
		return "at " + clock(k.At)
	case *controlv1.Timing_EveryMs:
		return "every " + millis(k.EveryMs)
	case *controlv1.Timing_Cron:
		return "cron " + k.Cron
	}
	return "-"
}

// millis is a number of milliseconds as a duration.
func millis(n int64) string { return (time.Duration(n) * time.Millisecond).String() }

func actionWords(a *controlv1.ScheduleAction) string {
	on := func(verb string, s *controlv1.ShardsAction) string {
		return verb + " " + shardWords(s.GetNamespace(), s.GetShardIds())
	}
	switch k := a.GetAction().(type) {
	case *controlv1.ScheduleAction_Cordon:
		return "cordon " + k.Cordon.GetNodeId()
	case *controlv1.ScheduleAction_Uncordon:
		return "uncordon " + k.Uncordon.GetNodeId()
	case *controlv1.ScheduleAction_Drain:
		return "drain " + k.Drain.GetNodeId()
	case *controlv1.ScheduleAction_CancelDrain:
		return "cancel-drain " + k.CancelDrain.GetNodeId()
	case *controlv1.ScheduleAction_Move:
		return "move " + shardWords(k.Move.GetNamespace(), k.Move.GetShardIds()) + " to " + k.Move.GetToNodeId()
	case *controlv1.ScheduleAction_Pause:
		return on("pause", k.Pause)
	case *controlv1.ScheduleAction_Resume:
		return on("resume", k.Resume)
	case *controlv1.ScheduleAction_Unquarantine:
		return on("unquarantine", k.Unquarantine)
	}
	return "-"
}

// shardWords names a few shards one by one, and counts more.
func shardWords(namespace string, ids []string) string {
	const few = 4
	if len(ids) > few {
		return fmt.Sprintf("%s of %s", plural(len(ids), "shard"), namespace)
	}
	return namespace + "/" + strings.Join(ids, ",")
}

func runWords(r *controlv1.ScheduleRun) string {
	if r == nil {
		return "-"
	}
	words := v1json.EnumWord(r.GetOutcome())
	if r.GetReason() != "" {
		words += " (" + r.GetReason() + ")"
	}
	return words
}

func listSchedules(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	size, err := c.pageSize()
	if err != nil {
		return err
	}
	statuses, err := enums[controlv1.ScheduleStatus]("status", controlv1.ScheduleStatus(0).Descriptor(), c.StringSlice("status"))
	if err != nil {
		return err
	}
	get := c.client.Schedules.Collect
	if size > 0 {
		get = c.client.Schedules.List
	}
	page, err := get(c.ctx, &controlv1.ListSchedulesRequest{
		Search: c.String("search"), Statuses: statuses, PageSize: size, PageToken: c.String("page-token"), OrderBy: c.String("order-by"), Read: read,
	})
	if err != nil {
		return err
	}
	return render.List(c.out, scheduleView(), page.Items, page.Position, page.Next)
}

func getSchedule(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	s, err := c.client.Schedules.Get(c.ctx, &controlv1.GetScheduleRequest{Name: c.Args().First(), Read: read})
	if err != nil {
		return err
	}
	return render.Record(c.out, scheduleView(), s)
}

func scheduleHistory(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	size, err := c.pageSize()
	if err != nil {
		return err
	}
	get := c.client.Schedules.History
	if size > 0 {
		get = c.client.Schedules.HistoryPage
	}
	page, err := get(c.ctx, &controlv1.ScheduleHistoryRequest{Name: c.Args().First(), PageSize: size, PageToken: c.String("page-token"), Read: read})
	if err != nil {
		return err
	}
	return render.List(c.out, scheduleChangeView(), page.Items, page.Position, page.Next)
}

func scheduleChangeView() render.View[*controlv1.ScheduleChange] {
	return render.View[*controlv1.ScheduleChange]{
		Ref: func(s *controlv1.ScheduleChange) string { return number(s.GetPosition()) },
		Columns: []render.Column[*controlv1.ScheduleChange]{
			{Name: "POSITION", Value: func(s *controlv1.ScheduleChange) string { return number(s.GetPosition()) }},
			{Name: "EVENT", Value: (*controlv1.ScheduleChange).GetEvent},
			{Name: "DUE", Value: func(s *controlv1.ScheduleChange) string { return clock(s.GetRun().GetDue()) }},
			{Name: "ATTEMPT", Value: func(s *controlv1.ScheduleChange) string { return known(int64(s.GetRun().GetAttempt())) }},
			{Name: "OUTCOME", Value: func(s *controlv1.ScheduleChange) string { return runWords(s.GetRun()) }},
			{Name: "NEXT", Value: func(s *controlv1.ScheduleChange) string { return clock(s.GetSchedule().GetNextRun()) }},
			{Name: "TIME", Wide: true, Value: func(s *controlv1.ScheduleChange) string { return clock(s.GetTime()) }},
			{Name: "ACTOR", Value: func(s *controlv1.ScheduleChange) string { return dash(s.GetActor()) }},
			{Name: "REASON", Value: (*controlv1.ScheduleChange).GetReason},
		},
	}
}
