package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/omnirelay/omnirelay/commands"
)

const timingAllowed = "one of at, after, every, cron"

// resolve checks a timing at its creation and turns After into At.
func (t Timing) resolve(now time.Time) (Timing, error) {
	given := 0
	for _, set := range []bool{t.At != 0, t.After != 0, t.Every != 0, t.Cron != ""} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return t, commands.BadField("timing", timingAllowed, "has %d of them", given)
	case t.After != 0:
		if t.After < 0 || t.After > MaxAhead {
			return t, commands.BadField("timing.afterMs", "above 0, to 10 years", "is %s", t.After)
		}
		return Timing{At: max(1, now.Add(t.After).UnixMilli())}, nil
	case t.At != 0:
		if at := time.UnixMilli(t.At); !at.After(now) || at.Sub(now) > MaxAhead {
			return t, commands.BadField("timing.at", "a time to come, within 10 years", "is %s, and log time is %s", stamp(at), stamp(now))
		}
	case t.Every != 0:
		if t.Every < MinEvery || t.Every > MaxAhead {
			return t, commands.BadField("timing.everyMs", fmt.Sprintf("%s to 10 years", MinEvery), "is %s", t.Every)
		}
		t.Every = t.Every.Truncate(time.Millisecond) // what the event can say
	default:
		return t, t.checkCron(now)
	}
	return t, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (t Timing) checkCron(now time.Time) error {
	const allowed = `minute hour day-of-month month day-of-week, in UTC, for example "30 3 * * 1-5"`
	if err := commands.CheckText("timing.cron", t.Cron, MaxCron); err != nil {
		return err
	}
	calendar, err := parseCron(t.Cron)
	if err != nil {
		return commands.BadField("timing.cron", allowed, "%.80q does not parse: %s", t.Cron, err)
	}
	if calendar.Next(now).IsZero() {
		return commands.BadField("timing.cron", allowed, "%.80q never comes", t.Cron)
	}
	return nil
}

// parseCron reads five fields. The library would also take a time zone, which it
// looks up in files of the machine, and shorthands; neither is the same everywhere.
func parseCron(text string) (cron.Schedule, error) {
	if strings.ContainsAny(text, "=@") {
		return nil, fmt.Errorf("it has more than five plain fields")
	}
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
}

// next is the first due after a time, of a schedule whose last due is known; Unix
// milliseconds, 0 when there is none.
func (t Timing) next(due int64, now time.Time) int64 {
	switch {
	case t.Every != 0:
		every, ms := t.Every.Milliseconds(), now.UnixMilli()
		if due > ms {
			return due
		}
		return due + ((ms-due)/every+1)*every
	case t.Cron != "":
		calendar, err := parseCron(t.Cron)
		if err != nil { // the decider let only good ones in
			return 0
		}
		if at := calendar.Next(now); !at.IsZero() {
			return at.UnixMilli()
		}
	}
	return 0
}

// first is the first due of a schedule that is created at a time.
func (t Timing) first(now time.Time) int64 {
	if t.Once() {
		return t.At
	}
	if t.Every != 0 {
		return now.Add(t.Every).UnixMilli()
	}
	return t.next(0, now)
}
