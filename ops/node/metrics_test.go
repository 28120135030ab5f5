package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// placed is a decision that gives shards 0 to n-1 of a namespace to a node.
func placed(namespace string, n uint32, at time.Time) *projections.Decision {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(i)
	}
	e := &eventsv1.Event{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
		Namespace: namespace, Cause: eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT,
		Assignments: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 1, Shards: events.PackShards(ids)}},
	}}}
	r := events.Recorded{Position: 9, Decision: 9, Time: at.UnixNano(), Meta: &eventsv1.Meta{Actor: "node/s1", Reason: "controller/placer"}, Event: e}
	return &projections.Decision{Events: []events.Recorded{r, r, r}}
}

func TestChangesAreCountedOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	began := time.Now()
	c := newChanges(reg, began.UnixNano())
	c.Committed(&projections.Commit{Decisions: []*projections.Decision{
		placed("demo", 5, began.Add(-time.Second)), // stored before this run
		placed("demo", 4, began.Add(time.Second)),
	}})
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families, %v; want mesh_shard_moves_total alone", len(families), err)
	}
	got := families[0].GetMetric()[0]
	if got.GetCounter().GetValue() != 12 || got.GetLabel()[0].GetValue() != "placement" || got.GetLabel()[1].GetValue() != "demo" {
		t.Errorf("counted %v, want 12 moves of demo for placement", got)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	c := newChanges(prometheus.NewRegistry(), 0)
	for i := range 2 * maxLabelled {
		c.label(strings.Repeat("n", i+1))
	}
	if got := c.label("one-more"); got != otherNamespaces || len(c.labelled) != maxLabelled {
		t.Errorf("label %q of %d, want %q of %d", got, len(c.labelled), otherNamespaces, maxLabelled)
	}
}

func TestJournalHasOneLinePerDecision(t *testing.T) {
	var out bytes.Buffer
	began := time.Now()
	j := newJournal(slog.New(slog.NewTextHandler(&out, nil)), began)
	j.Committed(&projections.Commit{Decisions: []*projections.Decision{
		placed("old", 5, began.Add(-time.Second)),
		placed("demo", 4, began.Add(time.Second)),
	}})
	got := out.String()
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="3 ShardsAssigned, 12 shards assigned"`) || !strings.Contains(got, "actor=node/s1") {
		t.Errorf("the journal is:\n%s", got)
	}
}

func TestJournalIsBounded(t *testing.T) {
	var out bytes.Buffer
	began := time.Unix(1_700_000_000, 0)
	j := newJournal(slog.New(slog.NewTextHandler(&out, nil)), began)
	var load []*projections.Decision
	for range 3 * maxLines {
		load = append(load, placed("demo", 1, began.Add(time.Millisecond)))
	}
	j.Committed(&projections.Commit{Decisions: append(load, placed("demo", 1, began.Add(2*time.Second)))})
	if got := strings.Count(out.String(), "\n"); got != maxLines+2 {
		t.Errorf("%d lines, want %d, how many more there were, and the next second's", got, maxLines)
	}
	if !strings.Contains(out.String(), "decisions=300 lines=100") {
		t.Error("it does not say how many there were")
	}
}
