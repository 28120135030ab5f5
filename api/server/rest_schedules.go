package server

import (
	"net/http"
	"net/url"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

func (s *Server) scheduleRoutes(rt *rest) {
	rt.add("GET schedules", endpoint(controlv1.ScheduleControlServiceListSchedulesProcedure, s.listSchedules,
		func(x *exchange, q *controlv1.ListSchedulesRequest) error {
			q.Search = x.q.text("search")
			q.Statuses = words[controlv1.ScheduleStatus](x.q, "status", controlv1.ScheduleStatus(0).Descriptor())
			q.PageSize, q.PageToken, q.OrderBy = x.q.page()
			q.Read = x.q.read()
			return nil
		},
		func(_ *exchange, _ *controlv1.ListSchedulesRequest, r *controlv1.ListSchedulesResponse) answer {
			return listAnswer(r.Schedules, r.Position, r.NextPageToken)
		}))
	rt.add("GET schedules/{name}", endpoint(controlv1.ScheduleControlServiceGetScheduleProcedure, s.getSchedule,
		func(x *exchange, q *controlv1.GetScheduleRequest) error {
			q.Name, q.Read = x.path["name"], x.q.read()
			return nil
		}, whole[controlv1.GetScheduleRequest, controlv1.Schedule]))
	rt.add("GET schedules/{name}/history", endpoint(controlv1.ScheduleControlServiceGetScheduleHistoryProcedure, s.scheduleHistory,
		func(x *exchange, q *controlv1.ScheduleHistoryRequest) error {
			q.Name, q.Read = x.path["name"], x.q.read()
			q.PageSize, q.PageToken = x.q.count("pageSize", MaxPage), x.q.text("pageToken")
			return nil
		},
		func(_ *exchange, _ *controlv1.ScheduleHistoryRequest, r *controlv1.ScheduleHistoryResponse) answer {
			return listAnswer(r.Items, r.Position, r.NextPageToken)
		}))
	s.scheduleCommandRoutes(rt)
}

func (s *Server) scheduleCommandRoutes(rt *rest) {
	rt.add("POST schedules", endpoint(controlv1.ScheduleControlServiceCreateScheduleProcedure, s.createSchedule,
		func(x *exchange, q *controlv1.CreateScheduleRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q)
			return err
		},
		func(x *exchange, q *controlv1.CreateScheduleRequest, r *controlv1.CreateScheduleResponse) answer {
			a := receipted(x, q, r)
			if !r.GetReceipt().GetDryRun() {
				a.status = http.StatusCreated
				a.header = map[string]string{"Location": "/control/schedules/" + url.PathEscape(q.Name)}
			}
			return a
		}))
	rt.add("DELETE schedules/{name}", endpoint(controlv1.ScheduleControlServiceDeleteScheduleProcedure, s.deleteSchedule,
		func(x *exchange, q *controlv1.DeleteScheduleRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "name")
			q.Name = x.path["name"]
			return err
		}, receipted[controlv1.DeleteScheduleRequest, *controlv1.DeleteScheduleResponse]))
	rt.add("POST schedules/{name}:pause", endpoint(controlv1.ScheduleControlServicePauseScheduleProcedure, s.pauseSchedule,
		func(x *exchange, q *controlv1.PauseScheduleRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "name")
			q.Name = x.path["name"]
			return err
		}, receipted[controlv1.PauseScheduleRequest, *controlv1.PauseScheduleResponse]))
	rt.add("POST schedules/{name}:resume", endpoint(controlv1.ScheduleControlServiceResumeScheduleProcedure, s.resumeSchedule,
		func(x *exchange, q *controlv1.ResumeScheduleRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "name")
			q.Name = x.path["name"]
			return err
		}, receipted[controlv1.ResumeScheduleRequest, *controlv1.ResumeScheduleResponse]))
}
