package registry

import (
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// maintenanceKind is the kind of the policies that are maintenance windows.
const maintenanceKind = "maintenance"

// Maintenance keeps [controlv1.MaintenanceWindow]s by name. Their status is a
// matter of the time at which they are read, and not in the rows.
type Maintenance struct{}

// Spec implements [projections.Table].
func (Maintenance) Spec() kv.Table {
	return kv.Table{ID: MaintenanceID, Name: "maintenance", Version: 1}
}

// MaintenanceCodec is the form of rows of maintenance windows.
func MaintenanceCodec() projections.ProtoCodec[*controlv1.MaintenanceWindow] {
	return projections.ProtoCodec[*controlv1.MaintenanceWindow]{New: func() *controlv1.MaintenanceWindow { return &controlv1.MaintenanceWindow{} }}
}

// Apply implements [projections.Table].
func (Maintenance) Apply(rows *projections.Rows, rec events.Recorded) {
	switch k := rec.Event.GetKind().(type) {
	case *eventsv1.Event_PolicySet:
		if w := k.PolicySet.GetMaintenance(); w != nil {
			setWindow(rows, rec, k.PolicySet, w)
		}
	case *eventsv1.Event_PolicyRemoved:
		if k.PolicyRemoved.Kind != maintenanceKind {
			return
		}
		projections.Update(rows, MaintenanceCodec(), nameKey(k.PolicyRemoved.Name), func(old *controlv1.MaintenanceWindow) *controlv1.MaintenanceWindow {
			if old != nil {
				rows.Touch(counterChanged)
			}
			return nil
		})
	}
}

func setWindow(rows *projections.Rows, rec events.Recorded, e *eventsv1.PolicySet, w *eventsv1.MaintenancePolicy) {
	projections.Update(rows, MaintenanceCodec(), nameKey(e.Name), func(old *controlv1.MaintenanceWindow) *controlv1.MaintenanceWindow {
		rows.Touch(counterChanged)
		row := &controlv1.MaintenanceWindow{
			Name: e.Name, NodeIds: w.NodeIds, Selectors: w.Selectors,
			Start: timestamp(w.StartMs * int64(time.Millisecond)), End: timestamp(w.EndMs * int64(time.Millisecond)),
			Impact: controlv1.MaintenanceImpact(w.Impact), Reason: w.Reason, DrainDeadlineMs: int64(w.DrainDeadlineMs),
			Version: int64(e.Version), CreatedBy: rec.Meta.GetActor(), CreatedAt: timestamp(rec.Time), UpdatedAt: timestamp(rec.Time),
		}
		if old != nil {
			row.CreatedBy, row.CreatedAt = old.CreatedBy, old.CreatedAt
		}
		return row
	})
}

// MaintenanceWindow returns a maintenance window.
func MaintenanceWindow(v *projections.View, name string, at events.Position) (*controlv1.MaintenanceWindow, bool, error) {
	return get(v, MaintenanceID, MaintenanceCodec(), nameKey(name), at)
}

// EachMaintenanceWindow visits maintenance windows by name, those after a name.
func EachMaintenanceWindow(v *projections.View, after string, at events.Position, fn func(*controlv1.MaintenanceWindow) bool) error {
	return each(v, MaintenanceID, MaintenanceCodec(), from(after), at, fn)
}
