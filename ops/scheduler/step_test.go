package scheduler_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/scheduler"
)

var rewrite = flag.Bool("rewrite", false, "write the transcript anew")

// TestTranscript plays two hours of three schedules, with a leader that is away for
// some of it, against testdata/hours.txt. A step is taken when the one before asked
// for it, and its commands are decided.
func TestTranscript(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "n1", Role: "worker", Weight: 1}})
	at := func(d time.Duration) int64 { return commandtest.Start().Add(d).UnixMilli() }
	for _, c := range []schedule.Create{
		{Name: "cordon", Timing: schedule.Timing{At: at(30 * time.Minute)}, Action: schedule.Action{Verb: schedule.Cordon, NodeID: "n1"}},
		{Name: "uncordon", Timing: schedule.Timing{Cron: "45 * * * *"}, Action: schedule.Action{Verb: schedule.Uncordon, NodeID: "n1"},
			Retry: schedule.Retry{Attempts: 3, Backoff: time.Minute}},
		{Name: "resume", Timing: schedule.Timing{Every: 25 * time.Minute}, Skip: true, Retry: schedule.Retry{Attempts: 1},
			Action: schedule.Action{Verb: schedule.ResumeShards, Namespace: "demo", Shards: []uint32{1}}},
	} {
		s.When(c).ThenDone()
	}
	var b strings.Builder
	now := commandtest.Start()
	for end := now.Add(2 * time.Hour); now.Before(end); {
		cmds, wait := scheduler.New().Step(sequencer.View{Model: m}, sequencer.Now{Wall: now.UnixNano()})
		for _, c := range cmds {
			before := s.Position()
			s.When(c).ThenDone()
			fmt.Fprintf(&b, "%s %s (events %d)\n", now.Format(time.TimeOnly), line(m, c.(schedule.Fire)), s.Position()-before)
		}
		if len(cmds) > 0 {
			continue // the view has their effect now
		}
		if now.Sub(commandtest.Start()) == time.Hour {
			wait = 31 * time.Minute
			b.WriteString("04:04:05 nobody leads for 31 minutes\n")
		}
		s.After(wait)
		now = now.Add(wait)
	}
	const path = "testdata/hours.txt"
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

func line(m *model.Model, c schedule.Fire) string {
	one, _ := m.Schedule.Schedule(c.Name)
	hour := func(ms int64) string {
		if ms == 0 {
			return "never"
		}
		return time.UnixMilli(ms).UTC().Format(time.TimeOnly)
	}
	return fmt.Sprintf("%s for %s attempt %d; next %s", c.Name, hour(c.Due), c.Attempt, hour(one.Next))
}

// TestLateLeaderRepeatsNothing: a step of a view of before the firing asks for it
// again, and the decider refuses.
func TestLateLeaderRepeatsNothing(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.When(schedule.Create{Name: "x", Timing: schedule.Timing{Every: time.Minute}, Action: schedule.Action{Verb: schedule.Cordon, NodeID: "n1"}}).ThenDone()
	old := sequencer.View{Model: m}
	m = m.Clone()
	s2 := commandtest.New(t, m)
	s2.Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "n1"}}).After(time.Minute)
	later := sequencer.Now{Wall: commandtest.Start().Add(time.Minute).UnixNano()}
	first, _ := scheduler.New().Step(old, later)
	again, _ := scheduler.New().Step(old, later)
	if len(first) != 1 || !cmp.Equal(first, again) {
		t.Fatalf("steps of one view: %+v, %+v", first, again)
	}
	s2.When(first[0]).ThenDone()
	s2.When(again[0]).ThenRejected("schedule_not_due")
	if cmds, wait := scheduler.New().Step(sequencer.View{Model: m, Mark: old.Mark}, later); len(cmds) != 0 || wait <= 0 {
		t.Errorf("after the firing: %+v, %s", cmds, wait)
	}
}
