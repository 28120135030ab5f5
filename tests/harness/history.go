package harness

import (
	"context"
	"fmt"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// controlScope is what the control leader leads.
const controlScope = "global-control"

// Events are those of a type, "" for all, on the log of the group's first live
// server.
func (g Group) Events(kind string) []*controlv1.LogEvent {
	g.c.t.Helper()
	ctx, cancel := context.WithTimeout(g.c.t.Context(), walkWithin)
	defer cancel()
	var all []*controlv1.LogEvent
	for e, err := range g.c.log(ctx, g.Live()[0]) {
		if err != nil {
			g.c.t.Fatalf("read the log: %v", err)
		}
		if kind == "" || e.GetType() == kind {
			all = append(all, e)
		}
	}
	return all
}

// OneLeader checks on the log that control leaderships follow each other: none
// is granted before the one before it has ended (L1, L4).
func (g Group) OneLeader() {
	g.c.t.Helper()
	for _, problem := range leaderships(g.Events("")) {
		g.c.t.Error(problem)
	}
}

func leaderships(all []*controlv1.LogEvent) []string {
	var problems []string
	var holder *controlv1.LogEvent
	for _, e := range all {
		if e.GetId() != controlScope {
			continue
		}
		switch e.GetType() {
		case "LeadershipGranted":
			if holder != nil {
				problems = append(problems, fmt.Sprintf("L4: the leadership granted at position %d (%s) had not ended when another was at %d (%s)",
					holder.GetPosition(), holder.GetSummary(), e.GetPosition(), e.GetSummary()))
			}
			holder = e
		case "LeadershipResigned", "LeadershipExpired":
			holder = nil
		}
	}
	return problems
}
