package client

import (
	"context"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Maintenance is MaintenanceControlService.
type Maintenance struct {
	c   *Client
	rpc controlv1.MaintenanceControlServiceClient
}

func (m *Maintenance) lister() lister[controlv1.ListMaintenanceRequest, controlv1.ListMaintenanceResponse, *controlv1.MaintenanceWindow] {
	return lister[controlv1.ListMaintenanceRequest, controlv1.ListMaintenanceResponse, *controlv1.MaintenanceWindow]{
		rpc:   m.rpc.ListMaintenance,
		token: func(q *controlv1.ListMaintenanceRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ListMaintenanceResponse) Page[*controlv1.MaintenanceWindow] {
			return Page[*controlv1.MaintenanceWindow]{Items: r.GetWindows(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// List reads one page.
func (m *Maintenance) List(ctx context.Context, req *controlv1.ListMaintenanceRequest) (*Page[*controlv1.MaintenanceWindow], error) {
	return m.lister().page(ctx, m.c, req)
}

// Collect reads all pages.
func (m *Maintenance) Collect(ctx context.Context, req *controlv1.ListMaintenanceRequest) (*Page[*controlv1.MaintenanceWindow], error) {
	return m.lister().collect(ctx, m.c, req)
}

// Get reads one window.
func (m *Maintenance) Get(ctx context.Context, req *controlv1.GetMaintenanceRequest) (*controlv1.MaintenanceWindow, error) {
	return read(ctx, m.c, m.rpc.GetMaintenance, req)
}

// Create makes a window.
func (m *Maintenance) Create(ctx context.Context, req *controlv1.CreateMaintenanceRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, m.c, m.rpc.CreateMaintenance, req)
	return res.GetReceipt(), err
}

// End ends a window now.
func (m *Maintenance) End(ctx context.Context, req *controlv1.EndMaintenanceRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, m.c, m.rpc.EndMaintenance, req)
	return res.GetReceipt(), err
}

// Delete takes a window away.
func (m *Maintenance) Delete(ctx context.Context, req *controlv1.DeleteMaintenanceRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, m.c, m.rpc.DeleteMaintenance, req)
	return res.GetReceipt(), err
}
