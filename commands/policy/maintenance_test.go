package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

const drains = eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN

func at(d time.Duration) int64 { return commandtest.Start().Add(d).UnixNano() }

func windowSet(version uint64, from, to time.Duration) *eventsv1.PolicySet {
	return &eventsv1.PolicySet{Kind: policy.MaintenanceKind, Name: "w", Version: version, Spec: &eventsv1.PolicySet_Maintenance{Maintenance: &eventsv1.MaintenancePolicy{
		NodeIds: []string{"n1", "n2"}, Selectors: []string{"rack=r1"}, StartMs: at(from) / 1e6, EndMs: at(to) / 1e6,
		Impact: drains, Reason: "disks", DrainDeadlineMs: 600_000,
	}}}
}

func window(from, to time.Duration) policy.CreateMaintenance {
	return policy.CreateMaintenance{Name: "w", NodeIDs: []string{"n2", "n1", "n2"}, Selectors: []string{"rack=r1"},
		Start: at(from), End: at(to), Impact: drains, Reason: "disks"}
}

func TestMaintenance(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.When(policy.EndMaintenance{Name: "w"}).ThenRejected("maintenance_not_found")
	s.When(policy.DeleteMaintenance{Name: "w"}).ThenRejected("maintenance_not_found")
	s.When(window(time.Hour, 2*time.Hour)).Then(windowSet(1, time.Hour, 2*time.Hour))
	s.When(window(time.Hour, 2*time.Hour)).ThenRejected("maintenance_exists")
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{{time.Hour - 1, false}, {time.Hour, true}, {2*time.Hour - 1, true}, {2 * time.Hour, false}} {
		m.Policy.EachWindow(func(w *policy.Window) bool {
			if w.InForce(at(c.at)) != c.want {
				t.Errorf("in force after %s: %t", c.at, !c.want)
			}
			return true
		})
	}
	for now, want := range map[time.Duration]int64{0: at(time.Hour), time.Hour: at(2 * time.Hour), 2 * time.Hour: 0} {
		if got := m.Policy.Boundary(at(now)); got != want {
			t.Errorf("the boundary after %s is %d, want %d", now, got, want)
		}
	}
	s.After(90 * time.Minute)
	s.IfVersion(9).When(policy.EndMaintenance{Name: "w"}).ThenRejected("version_mismatch")
	s.IfVersion(1).When(policy.EndMaintenance{Name: "w"}).Then(windowSet(2, time.Hour, 90*time.Minute))
	s.When(policy.EndMaintenance{Name: "w"}).ThenRejected("maintenance_ended")
	s.When(policy.DeleteMaintenance{Name: "w"}).Then(&eventsv1.PolicyRemoved{Kind: policy.MaintenanceKind, Name: "w", Version: 2})
	// The name is free; a version asked for does not fit what has it now.
	s.When(window(2*time.Hour, 3*time.Hour)).Then(windowSet(3, 2*time.Hour, 3*time.Hour))
	s.IfVersion(2).When(policy.DeleteMaintenance{Name: "w"}).ThenRejected("version_mismatch")
	// One that never began is in force at no time.
	s.When(policy.EndMaintenance{Name: "w"}).Then(windowSet(4, 90*time.Minute, 90*time.Minute))
}

func TestMaintenanceBounds(t *testing.T) {
	change := func(fn func(*policy.CreateMaintenance)) policy.CreateMaintenance {
		c := window(time.Hour, 2*time.Hour)
		fn(&c)
		return c
	}
	many := func(n int) []string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf("n%d", i)
		}
		return ids
	}
	for field, cs := range map[string][]policy.CreateMaintenance{
		"name":    {change(func(c *policy.CreateMaintenance) { c.Name = "no name" })},
		"nodeIds": {change(func(c *policy.CreateMaintenance) { c.NodeIDs, c.Selectors = nil, nil }), change(func(c *policy.CreateMaintenance) { c.NodeIDs = many(1001) }), change(func(c *policy.CreateMaintenance) { c.NodeIDs = []string{""} })},
		"selectors": {change(func(c *policy.CreateMaintenance) { c.Selectors = many(17) }), change(func(c *policy.CreateMaintenance) { c.Selectors = []string{"=x"} }),
			change(func(c *policy.CreateMaintenance) { c.Selectors = []string{"a=" + strings.Repeat("x", 2000)} })},
		"start":           {change(func(c *policy.CreateMaintenance) { c.Start = -1 }), change(func(c *policy.CreateMaintenance) { c.Start = at(367 * 24 * time.Hour); c.End = c.Start + 1e9 })},
		"end":             {change(func(c *policy.CreateMaintenance) { c.End = c.Start }), window(-2*time.Hour, 0), change(func(c *policy.CreateMaintenance) { c.End = c.Start + int64(policy.MaxWindowLength) + 1 })},
		"impact":          {change(func(c *policy.CreateMaintenance) { c.Impact = 0 }), change(func(c *policy.CreateMaintenance) { c.Impact = 4 })},
		"drainDeadlineMs": {change(func(c *policy.CreateMaintenance) { c.DrainWithin = 1 }), change(func(c *policy.CreateMaintenance) { c.DrainWithin = 25 * time.Hour })},
		"reason":          {change(func(c *policy.CreateMaintenance) { c.Reason = strings.Repeat("x", 1025) })},
	} {
		for _, c := range cs {
			commandtest.New(t, model.New()).When(c).ThenInvalid(field)
		}
	}
	s := commandtest.New(t, model.New())
	for i := range policy.MaxWindows {
		s.Given(&eventsv1.PolicySet{Kind: policy.MaintenanceKind, Name: fmt.Sprintf("w%d", i), Version: 1, Spec: &eventsv1.PolicySet_Maintenance{Maintenance: &eventsv1.MaintenancePolicy{}}})
	}
	s.When(window(time.Hour, 2*time.Hour)).ThenRejected("maintenance_exhausted")
}
