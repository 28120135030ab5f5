package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// journal writes one log line per decision that is stored while the server
// runs, up to maxLines a second; beyond, how many there were. It is a listener
// of the projections, whose goroutine owns it.
type journal struct {
	log   *slog.Logger
	since int64 // Unix nanoseconds: what was stored before was told before

	second  int64 // log time, in seconds, that the counts below are of
	told    int
	skipped int
}

// maxLines bounds the lines of a second: writing each decision of a heavy load
// would cost more than deciding it.
const maxLines = 100

func newJournal(log *slog.Logger, since time.Time) *journal {
	return &journal{log: log.With("component", "journal"), since: since.UnixNano()}
}

// Wants implements projections.Listener.
func (j *journal) Wants() bool { return j.log.Enabled(context.Background(), slog.LevelInfo) }

// Committed implements projections.Listener.
func (j *journal) Committed(c *projections.Commit) {
	for _, d := range c.Decisions {
		if len(d.Events) == 0 || d.Events[0].Time < j.since {
			continue
		}
		first := d.Events[0]
		if !j.mayTell(first.Time) {
			continue
		}
		j.log.Info(summary(d.Events), "position", uint64(d.Events[len(d.Events)-1].Position),
			"actor", first.Meta.GetActor(), "reason", first.Meta.GetReason())
	}
}

// mayTell counts a decision and reports whether it gets a line.
func (j *journal) mayTell(at int64) bool {
	if second := at / int64(time.Second); second != j.second {
		if j.skipped > 0 {
			j.log.Info("more decisions than lines", "decisions", j.told+j.skipped, "lines", j.told)
		}
		j.second, j.told, j.skipped = second, 0, 0
	}
	if j.told >= maxLines {
		j.skipped++
		return false
	}
	j.told++
	return true
}

// maxTold is how many events of a decision are told one by one.
const maxTold = 2

// summary says in one line what a decision did: its events, or how many of each
// type and how many shards they moved.
func summary(all []events.Recorded) string {
	var told []string
	if len(all) <= maxTold {
		for _, r := range all {
			told = append(told, events.Describe(r.Event).Summary)
		}
		return strings.Join(told, "; ")
	}
	counts, shards := map[string]int{}, 0
	for _, r := range all {
		counts[events.TypeOf(r.Event)]++
		shards += assigned(r.Event)
	}
	for kind, n := range counts {
		told = append(told, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(told)
	if shards > 0 {
		told = append(told, fmt.Sprintf("%d shards assigned", shards))
	}
	return strings.Join(told, ", ")
}

// assigned counts the shards that an event gives to a node.
func assigned(e *eventsv1.Event) int {
	n := 0
	for _, a := range e.GetShardsAssigned().GetAssignments() {
		n += events.CountShards(a.GetShards())
	}
	for _, h := range e.GetShardsHandedOver().GetHandovers() {
		n += events.CountShards(h.GetShards())
	}
	return n
}
