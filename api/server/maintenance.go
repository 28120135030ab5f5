package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/policy"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections/registry"
)

// MaintenanceControlService: times at which nodes are cordoned or drained.

func (s *Server) registerMaintenance() {
	handleUnary(s, controlv1.MaintenanceControlServiceListMaintenanceProcedure, s.listMaintenance)
	handleUnary(s, controlv1.MaintenanceControlServiceGetMaintenanceProcedure, s.getMaintenance)
	handleUnary(s, controlv1.MaintenanceControlServiceCreateMaintenanceProcedure, s.createMaintenance)
	handleUnary(s, controlv1.MaintenanceControlServiceEndMaintenanceProcedure, s.endMaintenance)
	handleUnary(s, controlv1.MaintenanceControlServiceDeleteMaintenanceProcedure, s.deleteMaintenance)
}

type maintenanceWindow = controlv1.MaintenanceWindow

func maintenanceTable() table[*maintenanceWindow] {
	return table[*maintenanceWindow]{
		each: registry.EachMaintenanceWindow,
		key:  (*maintenanceWindow).GetName,
		fields: []ordering[*maintenanceWindow]{
			byText("name", (*maintenanceWindow).GetName), byTime("start", (*maintenanceWindow).GetStart), byTime("end", (*maintenanceWindow).GetEnd),
			byNumber("impact", (*maintenanceWindow).GetImpact), byNumber("version", (*maintenanceWindow).GetVersion),
			byTime("createdAt", (*maintenanceWindow).GetCreatedAt), byTime("updatedAt", (*maintenanceWindow).GetUpdatedAt),
		},
	}
}

// moment is the time by which windows of a reading are scheduled, active or ended:
// now, and for the past that of its last decision.
func (r *reading) moment() (time.Time, error) {
	if !r.past {
		return time.Now(), nil
	}
	d, err := r.Decision(r.position())
	return time.Unix(0, d.Time), err
}

func windowStatus(w *maintenanceWindow, now time.Time) controlv1.MaintenanceStatus {
	switch {
	case !now.Before(w.GetEnd().AsTime()):
		return controlv1.MaintenanceStatus_MAINTENANCE_STATUS_ENDED
	case now.Before(w.GetStart().AsTime()):
		return controlv1.MaintenanceStatus_MAINTENANCE_STATUS_SCHEDULED
	}
	return controlv1.MaintenanceStatus_MAINTENANCE_STATUS_ACTIVE
}

func (s *Server) listMaintenance(ctx context.Context, q *controlv1.ListMaintenanceRequest) (*controlv1.ListMaintenanceResponse, error) {
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	res := &controlv1.ListMaintenanceResponse{Position: int64(r.position())}
	if r.empty {
		return res, nil
	}
	now, err := r.moment()
	if err != nil {
		return nil, err
	}
	var cursor string
	res.Windows, cursor, err = maintenanceTable().page(r, func(w *maintenanceWindow) bool {
		w.Status = windowStatus(w, now)
		return len(q.Statuses) == 0 || slices.Contains(q.Statuses, w.Status)
	}, q.OrderBy, pageSize(q.PageSize), token.cursor)
	res.NextPageToken = nextToken(r, token, cursor)
	return res, err
}

func (s *Server) getMaintenance(ctx context.Context, q *controlv1.GetMaintenanceRequest) (*maintenanceWindow, error) {
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if r.empty {
		return nil, notFound("maintenance", q.Name)
	}
	w, ok, err := registry.MaintenanceWindow(r.View, q.Name, r.at)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("maintenance", q.Name)
	}
	now, err := r.moment()
	if err != nil {
		return nil, err
	}
	// With its status, what is shown changes without a new version: a caller is told
	// the version and always given the window.
	_ = callOf(ctx).tagged(versionETag(w.Version))
	w.Status = windowStatus(w, now)
	return w, nil
}

func (s *Server) createMaintenance(ctx context.Context, q *controlv1.CreateMaintenanceRequest) (*controlv1.CreateMaintenanceResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.CreateMaintenanceResponse{Receipt: receipt}, err
}

func (s *Server) endMaintenance(ctx context.Context, q *controlv1.EndMaintenanceRequest) (*controlv1.EndMaintenanceResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.EndMaintenanceResponse{Receipt: receipt}, err
}

func (s *Server) deleteMaintenance(ctx context.Context, q *controlv1.DeleteMaintenanceRequest) (*controlv1.DeleteMaintenanceResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.DeleteMaintenanceResponse{Receipt: receipt}, err
}

// createMaintenanceCommand: what is not said is now, and a drain.
func createMaintenanceCommand(r *controlv1.CreateMaintenanceRequest) (commands.Command, error) {
	c := policy.CreateMaintenance{
		Name: r.Name, NodeIDs: r.NodeIds, Selectors: r.Selectors, Reason: r.GetMutation().GetReason(),
		Impact: eventsv1.MaintenanceImpact(r.Impact),
	}
	if c.Impact == eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_UNSPECIFIED {
		c.Impact = eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN
	}
	var err error
	if c.DrainWithin, err = millis("drainDeadlineMs", r.DrainDeadlineMs); err != nil {
		return nil, err
	}
	if r.Start != nil {
		if c.Start, err = instant("start", r.Start); err != nil {
			return nil, err
		}
	}
	if r.End == nil {
		return nil, badField("end", "a time after the start", "is missing")
	}
	c.End, err = instant("end", r.End)
	return c, err
}

// instant is a time that nanoseconds can count.
func instant(field string, t *timestamppb.Timestamp) (int64, error) {
	if t.CheckValid() != nil || t.AsTime().Year() < 1970 || t.AsTime().Year() > 2200 {
		return 0, badField(field, "a time of the years 1970 to 2200", "is no such time")
	}
	return t.AsTime().UnixNano(), nil
}

// millis is a number of milliseconds, bounded before it is multiplied: a product
// that wraps could pass.
func millis(field string, n int64) (time.Duration, error) {
	if most := int64(24 * time.Hour / time.Millisecond); n < 0 || n > most {
		return 0, badField(field, "1000 to 86400000, or 0 for 10m", "is %d", n)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func (s *Server) maintenanceRoutes(rt *rest) {
	rt.add("GET maintenance", endpoint(controlv1.MaintenanceControlServiceListMaintenanceProcedure, s.listMaintenance,
		func(x *exchange, q *controlv1.ListMaintenanceRequest) error {
			q.Statuses = words[controlv1.MaintenanceStatus](x.q, "status", controlv1.MaintenanceStatus(0).Descriptor())
			q.PageSize, q.PageToken, q.OrderBy = x.q.page()
			q.Read = x.q.read()
			return nil
		},
		func(_ *exchange, _ *controlv1.ListMaintenanceRequest, r *controlv1.ListMaintenanceResponse) answer {
			return listAnswer(r.Windows, r.Position, r.NextPageToken)
		}))
	rt.add("GET maintenance/{name}", endpoint(controlv1.MaintenanceControlServiceGetMaintenanceProcedure, s.getMaintenance,
		func(x *exchange, q *controlv1.GetMaintenanceRequest) error {
			q.Name, q.Read = x.path["name"], x.q.read()
			return nil
		}, whole[controlv1.GetMaintenanceRequest, controlv1.MaintenanceWindow]))
	rt.add("POST maintenance", endpoint(controlv1.MaintenanceControlServiceCreateMaintenanceProcedure, s.createMaintenance,
		func(x *exchange, q *controlv1.CreateMaintenanceRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q)
			return err
		}, func(x *exchange, q *controlv1.CreateMaintenanceRequest, r *controlv1.CreateMaintenanceResponse) answer {
			a := receipted(x, q, r)
			if !r.GetReceipt().GetDryRun() {
				a.status = http.StatusCreated
				a.header = map[string]string{"Location": "/control/maintenance/" + url.PathEscape(q.Name)}
			}
			return a
		}))
	rt.add("POST maintenance/{name}:end", endpoint(controlv1.MaintenanceControlServiceEndMaintenanceProcedure, s.endMaintenance,
		func(x *exchange, q *controlv1.EndMaintenanceRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "name")
			q.Name = x.path["name"]
			return err
		}, receipted[controlv1.EndMaintenanceRequest, *controlv1.EndMaintenanceResponse]))
	rt.add("DELETE maintenance/{name}", endpoint(controlv1.MaintenanceControlServiceDeleteMaintenanceProcedure, s.deleteMaintenance,
		func(x *exchange, q *controlv1.DeleteMaintenanceRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "name")
			q.Name = x.path["name"]
			return err
		}, receipted[controlv1.DeleteMaintenanceRequest, *controlv1.DeleteMaintenanceResponse]))
}
