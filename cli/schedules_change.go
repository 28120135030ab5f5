package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

func scheduleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "at", Usage: "once, at a `TIME` (RFC 3339)"},
		&cli.DurationFlag{Name: "after", Usage: "once, after a `TIME`, for example 90m"},
		&cli.DurationFlag{Name: "every", Usage: "again and again, a `TIME` apart, 10s or more"},
		&cli.StringFlag{Name: "cron", Usage: "by five `FIELDS`, in UTC: minute, hour, day of month, month, day of week"},
		&cli.StringFlag{Name: "cordon", Usage: "stop new assignments to a `NODE`"},
		&cli.StringFlag{Name: "uncordon", Usage: "take the cordon of a `NODE` back"},
		&cli.StringFlag{Name: "drain", Usage: "have a `NODE` give away all it has"},
		&cli.DurationFlag{Name: "deadline", Usage: "`TIME` that a node has to drain, with --drain; 10m if not given"},
		&cli.StringFlag{Name: "cancel-drain", Usage: "make a `NODE` that drains active again"},
		&cli.StringSliceFlag{Name: "move", Usage: "move shards `NS/ID[,…]`, with --to"},
		&cli.StringFlag{Name: "to", Usage: "the `NODE` that shall own moved shards"},
		&cli.StringSliceFlag{Name: "pause-shards", Usage: "pause shards `NS/ID[,…]`"},
		&cli.StringSliceFlag{Name: "resume-shards", Usage: "resume shards `NS/ID[,…]`"},
		&cli.StringSliceFlag{Name: "unquarantine", Usage: "release shards `NS/ID[,…]` from quarantine"},
		&cli.StringFlag{Name: "missed", Usage: "what becomes of a due that nobody could decide within a minute: `run_once` for all of them, or skip; run_once if not given"},
		&cli.IntFlag{Name: "attempts", Usage: "try a rejected command `N` times, 1 to 20; 5 if not given"},
		&cli.DurationFlag{Name: "backoff", Usage: "`TIME` to the second attempt, twice as long each time; 10s if not given"},
		&cli.DurationFlag{Name: "backoff-max", Usage: "the longest `TIME` between two attempts; 10m if not given"},
	}
}

func createSchedule(c *call) error {
	name := c.Args().First()
	req := &controlv1.CreateScheduleRequest{Name: name, Mutation: c.mutation(), Retry: &controlv1.Retry{
		Attempts: int32(c.Int("attempts")), BackoffMs: c.Duration("backoff").Milliseconds(), BackoffMaxMs: c.Duration("backoff-max").Milliseconds(),
	}}
	var err error
	if req.Timing, err = timingFlags(c); err != nil {
		return err
	}
	if req.Action, err = actionFlags(c); err != nil {
		return err
	}
	if word := c.String("missed"); word != "" {
		missed, err := enums[controlv1.MissedRuns]("missed", controlv1.MissedRuns(0).Descriptor(), []string{word})
		if err != nil {
			return err
		}
		req.Missed = missed[0]
	}
	r, err := c.client.Schedules.Create(c.ctx, req)
	if err != nil {
		return err
	}
	return c.receipt(r, "schedule "+name+" created: "+actionWords(req.Action))
}

// oneOf is the flag of some that is given.
func oneOf(c *call, what string, flags ...string) (string, error) {
	given := ""
	for _, name := range flags {
		if !c.IsSet(name) {
			continue
		}
		if given != "" {
			return "", usage("--%s and --%s: %s is one thing (allowed: one of --%s)", given, name, what, strings.Join(flags, ", --"))
		}
		given = name
	}
	if given == "" {
		return "", usage("%s is missing (allowed: one of --%s)", what, strings.Join(flags, ", --"))
	}
	return given, nil
}

func timingFlags(c *call) (*controlv1.Timing, error) {
	given, err := oneOf(c, "the time", "at", "after", "every", "cron")
	if err != nil {
		return nil, err
	}
	switch given {
	case "at":
		t, err := time.Parse(time.RFC3339Nano, c.String("at"))
		if err != nil {
			return nil, usage("--at: %q is no time (allowed: RFC 3339, for example 2027-01-31T03:00:00Z)", c.String("at"))
		}
		return &controlv1.Timing{Timing: &controlv1.Timing_At{At: timestamppb.New(t)}}, nil
	case "after":
		return &controlv1.Timing{Timing: &controlv1.Timing_AfterMs{AfterMs: c.Duration("after").Milliseconds()}}, nil
	case "every":
		return &controlv1.Timing{Timing: &controlv1.Timing_EveryMs{EveryMs: c.Duration("every").Milliseconds()}}, nil
	}
	return &controlv1.Timing{Timing: &controlv1.Timing_Cron{Cron: c.String("cron")}}, nil
}

func actionFlags(c *call) (*controlv1.ScheduleAction, error) {
	given, err := oneOf(c, "the action", "cordon", "uncordon", "drain", "cancel-drain", "move", "pause-shards", "resume-shards", "unquarantine")
	if err != nil {
		return nil, err
	}
	if (given == "move") != c.IsSet("to") {
		return nil, usage("--to goes with --move, and --move with --to")
	}
	if c.IsSet("deadline") && given != "drain" {
		return nil, usage("--deadline goes with --drain")
	}
	switch given {
	case "drain":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Drain{Drain: &controlv1.DrainAction{
			NodeId: c.String("drain"), DeadlineMs: c.Duration("deadline").Milliseconds(),
		}}}, nil
	case "cancel-drain":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_CancelDrain{CancelDrain: &controlv1.NodeAction{NodeId: c.String("cancel-drain")}}}, nil
	case "cordon":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Cordon{Cordon: &controlv1.NodeAction{NodeId: c.String("cordon")}}}, nil
	case "uncordon":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Uncordon{Uncordon: &controlv1.NodeAction{NodeId: c.String("uncordon")}}}, nil
	}
	namespace, ids, err := shardRefs(c.StringSlice(given))
	if err != nil {
		return nil, err
	}
	shards := &controlv1.ShardsAction{Namespace: namespace, ShardIds: ids}
	switch given {
	case "move":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Move{Move: &controlv1.MoveAction{
			Namespace: namespace, ShardIds: ids, ToNodeId: c.String("to"),
		}}}, nil
	case "pause-shards":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Pause{Pause: shards}}, nil
	case "resume-shards":
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Resume{Resume: shards}}, nil
	}
	return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Unquarantine{Unquarantine: shards}}, nil
}

func deleteSchedule(c *call) error {
	name := c.Args().First()
	if err := c.confirm("delete schedule %s?", name); err != nil {
		return err
	}
	r, err := c.client.Schedules.Delete(c.ctx, &controlv1.DeleteScheduleRequest{Name: name, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, "schedule "+name+" deleted")
}

func pauseSchedule(c *call) error {
	name := c.Args().First()
	r, err := c.client.Schedules.Pause(c.ctx, &controlv1.PauseScheduleRequest{Name: name, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, "schedule "+name+" paused")
}

func resumeSchedule(c *call) error {
	name := c.Args().First()
	r, err := c.client.Schedules.Resume(c.ctx, &controlv1.ResumeScheduleRequest{Name: name, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, "schedule "+name+" resumed")
}
