package client

import (
	"context"
	"iter"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Schedules is ScheduleControlService.
type Schedules struct {
	c   *Client
	rpc controlv1.ScheduleControlServiceClient
}

func (s *Schedules) lister() lister[controlv1.ListSchedulesRequest, controlv1.ListSchedulesResponse, *controlv1.Schedule] {
	return lister[controlv1.ListSchedulesRequest, controlv1.ListSchedulesResponse, *controlv1.Schedule]{
		rpc:   s.rpc.ListSchedules,
		token: func(q *controlv1.ListSchedulesRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ListSchedulesResponse) Page[*controlv1.Schedule] {
			return Page[*controlv1.Schedule]{Items: r.GetSchedules(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// List reads one page.
func (s *Schedules) List(ctx context.Context, req *controlv1.ListSchedulesRequest) (*Page[*controlv1.Schedule], error) {
	return s.lister().page(ctx, s.c, req)
}

// Collect reads all pages.
func (s *Schedules) Collect(ctx context.Context, req *controlv1.ListSchedulesRequest) (*Page[*controlv1.Schedule], error) {
	return s.lister().collect(ctx, s.c, req)
}

// All ranges over all pages.
func (s *Schedules) All(ctx context.Context, req *controlv1.ListSchedulesRequest) iter.Seq2[*controlv1.Schedule, error] {
	return s.lister().all(ctx, s.c, req)
}

// Get reads one schedule.
func (s *Schedules) Get(ctx context.Context, req *controlv1.GetScheduleRequest) (*controlv1.Schedule, error) {
	return read(ctx, s.c, s.rpc.GetSchedule, req)
}

func (s *Schedules) historian() lister[controlv1.ScheduleHistoryRequest, controlv1.ScheduleHistoryResponse, *controlv1.ScheduleChange] {
	return lister[controlv1.ScheduleHistoryRequest, controlv1.ScheduleHistoryResponse, *controlv1.ScheduleChange]{
		rpc:   s.rpc.GetScheduleHistory,
		token: func(q *controlv1.ScheduleHistoryRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ScheduleHistoryResponse) Page[*controlv1.ScheduleChange] {
			return Page[*controlv1.ScheduleChange]{Items: r.GetItems(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// HistoryPage reads one page of what became of a schedule, oldest first.
func (s *Schedules) HistoryPage(ctx context.Context, req *controlv1.ScheduleHistoryRequest) (*Page[*controlv1.ScheduleChange], error) {
	return s.historian().page(ctx, s.c, req)
}

// History reads all that became of a schedule, oldest first.
func (s *Schedules) History(ctx context.Context, req *controlv1.ScheduleHistoryRequest) (*Page[*controlv1.ScheduleChange], error) {
	return s.historian().collect(ctx, s.c, req)
}

// Create makes a schedule, which acts for its caller.
func (s *Schedules) Create(ctx context.Context, req *controlv1.CreateScheduleRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.CreateSchedule, req)
	return res.GetReceipt(), err
}

// Delete ends a schedule.
func (s *Schedules) Delete(ctx context.Context, req *controlv1.DeleteScheduleRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.DeleteSchedule, req)
	return res.GetReceipt(), err
}

// Pause keeps a schedule from firing.
func (s *Schedules) Pause(ctx context.Context, req *controlv1.PauseScheduleRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.PauseSchedule, req)
	return res.GetReceipt(), err
}

// Resume takes a pause back.
func (s *Schedules) Resume(ctx context.Context, req *controlv1.ResumeScheduleRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.ResumeSchedule, req)
	return res.GetReceipt(), err
}
