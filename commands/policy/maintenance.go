package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// MaintenanceKind is the kind of the policies that are maintenance windows; the
// name of the policy is the window's.
const MaintenanceKind = "maintenance"

// The bounds of maintenance windows, and what holds where nothing is said.
const (
	MaxWindows          = 1000
	MaxWindowNodes      = 1000
	MaxSelectors        = 16
	MaxWindowLength     = 90 * 24 * time.Hour
	MaxWindowAhead      = 366 * 24 * time.Hour
	MaxWindowReason     = 1024
	DefaultDrainWithin  = 10 * time.Minute
	MinDrainWithin      = time.Second
	MaxDrainWithin      = 24 * time.Hour
	drainWithinAllowed  = "1s to 24h, or 0 for 10m"
	impactAllowed       = "none, cordon, drain"
	selectorAllowed     = "key=value, or key"
	windowNodesOrLabels = "at least one node id or selector"
)

// CreateMaintenance makes a maintenance window.
type CreateMaintenance struct {
	Name string
	// NodeIDs and Selectors name the nodes: those listed, and those whose labels
	// match all selectors, "key=value" or "key". One of the two must be there.
	NodeIDs, Selectors []string
	// Start and End in Unix nanoseconds, whole milliseconds; Start 0 is now.
	Start, End int64
	Impact     eventsv1.MaintenanceImpact
	Reason     string
	// DrainWithin is the deadline of each node's drain; 0 is the default.
	DrainWithin time.Duration
}

// EndMaintenance ends a window now; it stays as one that is over.
type EndMaintenance struct{ Name string }

// DeleteMaintenance takes a window away, whether it is over or not.
type DeleteMaintenance struct{ Name string }

// CommandName implements commands.Command.
func (CreateMaintenance) CommandName() string { return "policy.CreateMaintenance" }
func (EndMaintenance) CommandName() string    { return "policy.EndMaintenance" }
func (DeleteMaintenance) CommandName() string { return "policy.DeleteMaintenance" }

// Window is a maintenance window. It is shared between states and never written
// to.
type Window struct {
	Name        string                     `cbor:"1,keyasint"`
	NodeIDs     []string                   `cbor:"2,keyasint,omitempty"`
	Selectors   []string                   `cbor:"3,keyasint,omitempty"`
	Start       int64                      `cbor:"4,keyasint"`
	End         int64                      `cbor:"5,keyasint"`
	Impact      eventsv1.MaintenanceImpact `cbor:"6,keyasint"`
	Reason      string                     `cbor:"7,keyasint,omitempty"`
	DrainWithin time.Duration              `cbor:"8,keyasint"`
	// Created is the log time of its first event: before it the window was in
	// force nowhere, whatever its start.
	Created int64 `cbor:"9,keyasint"`
}

// InForce reports whether the window is in force at a log time.
func (w *Window) InForce(now int64) bool { return w.Start <= now && now < w.End }

// Since is when the window came into force.
func (w *Window) Since() int64 { return max(w.Start, w.Created) }

// EachWindow calls fn for every maintenance window in the order of names, until it
// returns false.
func (s *State) EachWindow(fn func(*Window) bool) {
	first := id(MaintenanceKind, "")
	s.policies.Ascend(first, func(_ string, p Policy) bool {
		return p.Kind == MaintenanceKind && (p.Window == nil || fn(p.Window))
	})
}

// Boundary is the first moment after a log time at which a window begins or ends;
// 0 when none does.
func (s *State) Boundary(now int64) int64 {
	next := int64(0)
	s.EachWindow(func(w *Window) bool {
		for _, at := range []int64{w.Start, w.End} {
			if at > now && (next == 0 || at < next) {
				next = at
			}
		}
		return true
	})
	return next
}

func (s *State) createMaintenance(meta commands.Meta, c CreateMaintenance) ([]*eventsv1.Event, error) {
	if err := commands.CheckName("name", c.Name); err != nil {
		return nil, err
	}
	c.NodeIDs, c.Selectors = ordered(c.NodeIDs), ordered(c.Selectors)
	if c.Start == 0 {
		c.Start = meta.Time
	}
	if c.DrainWithin == 0 {
		c.DrainWithin = DefaultDrainWithin
	}
	if err := c.check(meta.Time); err != nil {
		return nil, err
	}
	if old, ok := s.policies.Get(id(MaintenanceKind, c.Name)); ok {
		return nil, commands.Refuse("maintenance_exists", "maintenance window %q exists, version %d", c.Name, old.Version)
	}
	n := 0
	s.EachWindow(func(*Window) bool { n++; return true })
	if n >= MaxWindows {
		return nil, &commands.Rejected{Kind: commands.Exhausted, Reason: "maintenance_exhausted",
			Message: fmt.Sprintf("there are %d maintenance windows", n), Allowed: "to delete one that has ended"}
	}
	return []*eventsv1.Event{windowSet(c.Name, s.floor+1, &eventsv1.MaintenancePolicy{
		NodeIds: c.NodeIDs, Selectors: c.Selectors, StartMs: c.Start / int64(time.Millisecond), EndMs: c.End / int64(time.Millisecond),
		Impact: c.Impact, Reason: c.Reason, DrainDeadlineMs: uint32(c.DrainWithin / time.Millisecond),
	})}, nil
}

// ordered is a list as it is kept: sorted, and each once.
func ordered(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

func windowSet(name string, version uint64, w *eventsv1.MaintenancePolicy) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{
		Kind: MaintenanceKind, Name: name, Version: version, Spec: &eventsv1.PolicySet_Maintenance{Maintenance: w},
	}}}
}

func (c CreateMaintenance) check(now int64) error {
	if err := c.checkNodes(); err != nil {
		return err
	}
	switch {
	case c.Start < 0 || c.Start > now+int64(MaxWindowAhead):
		return commands.BadField("start", "a time at most 366 days ahead", "is %s", stamp(c.Start))
	case c.End <= c.Start:
		return commands.BadField("end", "a time after the start, "+stamp(c.Start), "is %s", stamp(c.End))
	case c.End <= now:
		return commands.BadField("end", "a time after now, "+stamp(now), "is %s", stamp(c.End))
	case c.End-c.Start > int64(MaxWindowLength):
		return commands.BadField("end", "at most 90 days after the start", "is %s", stamp(c.End))
	case c.Impact < eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_NONE || c.Impact > eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN:
		return commands.BadField("impact", impactAllowed, "is %d", c.Impact)
	case c.DrainWithin < MinDrainWithin || c.DrainWithin > MaxDrainWithin:
		return commands.BadField("drainDeadlineMs", drainWithinAllowed, "is %s", c.DrainWithin)
	}
	return commands.CheckText("reason", c.Reason, MaxWindowReason)
}

func (c CreateMaintenance) checkNodes() error {
	switch {
	case len(c.NodeIDs)+len(c.Selectors) == 0:
		return commands.BadField("nodeIds", windowNodesOrLabels, "is empty, and so is selectors")
	case len(c.NodeIDs) > MaxWindowNodes:
		return commands.BadField("nodeIds", "at most 1000", "has %d", len(c.NodeIDs))
	case len(c.Selectors) > MaxSelectors:
		return commands.BadField("selectors", "at most 16", "has %d", len(c.Selectors))
	}
	for _, node := range c.NodeIDs {
		if err := commands.CheckName("nodeIds", node); err != nil {
			return err
		}
	}
	for _, sel := range c.Selectors {
		key, value, _ := strings.Cut(sel, "=")
		if commands.CheckName("selectors", key) != nil || commands.CheckText("selectors", value, commands.MaxLabelValue) != nil {
			return commands.BadField("selectors", selectorAllowed, "has %.80q", sel)
		}
	}
	return nil
}

func stamp(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }

// window returns a maintenance window that has the version asked for.
func (s *State) window(meta commands.Meta, name string) (Policy, error) {
	p, ok := s.policies.Get(id(MaintenanceKind, name))
	if !ok || p.Window == nil {
		return Policy{}, commands.Missing("maintenance", name)
	}
	return p, commands.CheckVersion(meta, "maintenance", name, p.Version)
}

// endMaintenance: one that never began ends where it would have begun, so that it
// is in force at no time.
func (s *State) endMaintenance(meta commands.Meta, c EndMaintenance) ([]*eventsv1.Event, error) {
	p, err := s.window(meta, c.Name)
	if err != nil {
		return nil, err
	}
	if p.Window.End <= meta.Time {
		return nil, commands.Refuse("maintenance_ended", "maintenance window %q ended at %s", c.Name, stamp(p.Window.End))
	}
	spec := p.Window.proto()
	spec.EndMs = meta.Time / int64(time.Millisecond)
	spec.StartMs = min(spec.StartMs, spec.EndMs)
	return []*eventsv1.Event{windowSet(c.Name, p.Version+1, spec)}, nil
}

func (s *State) deleteMaintenance(meta commands.Meta, c DeleteMaintenance) ([]*eventsv1.Event, error) {
	p, err := s.window(meta, c.Name)
	if err != nil {
		return nil, err
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_PolicyRemoved{PolicyRemoved: &eventsv1.PolicyRemoved{
		Kind: MaintenanceKind, Name: c.Name, Version: p.Version,
	}}}}, nil
}

func (w *Window) proto() *eventsv1.MaintenancePolicy {
	return &eventsv1.MaintenancePolicy{
		NodeIds: w.NodeIDs, Selectors: w.Selectors, StartMs: w.Start / int64(time.Millisecond), EndMs: w.End / int64(time.Millisecond),
		Impact: w.Impact, Reason: w.Reason, DrainDeadlineMs: uint32(w.DrainWithin / time.Millisecond),
	}
}

// windowOf is the window of an event; old is the policy before, if there was one.
func windowOf(r events.Recorded, name string, e *eventsv1.MaintenancePolicy, old *Window) *Window {
	if e == nil {
		return nil
	}
	w := &Window{
		Name: name, NodeIDs: e.NodeIds, Selectors: e.Selectors, Impact: e.Impact, Reason: e.Reason,
		Start: e.StartMs * int64(time.Millisecond), End: e.EndMs * int64(time.Millisecond),
		DrainWithin: time.Duration(e.DrainDeadlineMs) * time.Millisecond, Created: r.Time,
	}
	if old != nil {
		w.Created = old.Created
	}
	return w
}
