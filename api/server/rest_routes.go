package server

import (
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// registerREST fills the route table and the paths beside it.
func (s *Server) registerREST() {
	rt := &rest{}
	s.rest = rt
	s.peerRoutes(rt)
	s.namespaceRoutes(rt)
	s.shardRoutes(rt)
	s.maintenanceRoutes(rt)
	s.scheduleRoutes(rt)
	s.logRoutes(rt)
	s.eventRoutes(rt)
	rt.add("GET leaders", endpoint(controlv1.LeadershipControlServiceListLeadersProcedure, s.listLeaders,
		func(x *exchange, q *controlv1.ListLeadersRequest) error {
			q.Scope = x.q.text("scope")
			q.PageSize, q.PageToken, q.OrderBy = x.q.page()
			q.Read = x.q.read()
			return nil
		},
		func(_ *exchange, _ *controlv1.ListLeadersRequest, r *controlv1.ListLeadersResponse) answer {
			return listAnswer(r.Leaders, r.Position, r.NextPageToken)
		}))
	rt.add("GET versions", endpoint(controlv1.SystemServiceGetVersionsProcedure, s.versions,
		func(*exchange, *controlv1.GetVersionsRequest) error { return nil }, whole[controlv1.GetVersionsRequest, controlv1.Versions]))
	rt.add("GET status", endpoint(controlv1.SystemServiceGetStatusProcedure, s.status,
		func(x *exchange, q *controlv1.GetStatusRequest) error {
			q.Read = x.q.read()
			return nil
		}, whole[controlv1.GetStatusRequest, controlv1.MeshStatus]))
	s.mux.HandleFunc("/", s.serveREST)
	s.mux.HandleFunc("GET /healthz", healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	if s.deps.MetricsHandler != nil {
		s.mux.Handle("GET /metrics", s.deps.MetricsHandler)
	}
}

// whole answers with the message itself.
func whole[Q, R any, M message[R]](_ *exchange, _ *Q, r *R) answer {
	return answer{status: http.StatusOK, body: v1json.Marshal(M(r))}
}

func listAnswer[M proto.Message](items []M, position int64, next string) answer {
	return answer{status: http.StatusOK, body: v1json.AppendList(make([]byte, 0, 1024+320*len(items)), items, position, next)}
}

// receipted answers a command with its receipt.
func receipted[Q any, R interface{ GetReceipt() *controlv1.Receipt }](_ *exchange, _ *Q, r R) answer {
	return answer{status: http.StatusOK, body: v1json.Marshal(r.GetReceipt())}
}

func (s *Server) peerRoutes(rt *rest) {
	rt.add("GET peers", endpoint(controlv1.PeerControlServiceListPeersProcedure, s.listPeers, bindPeers,
		func(_ *exchange, _ *controlv1.ListPeersRequest, r *controlv1.ListPeersResponse) answer {
			return listAnswer(r.Peers, r.Position, r.NextPageToken)
		}))
	rt.add("GET peers/{id}", endpoint(controlv1.PeerControlServiceGetPeerProcedure, s.getPeer,
		func(x *exchange, q *controlv1.GetPeerRequest) error {
			q.NodeId, q.Read = x.path["id"], x.q.read()
			return nil
		}, whole[controlv1.GetPeerRequest, controlv1.Peer]))
	rt.add("POST peers/{id}:cordon", endpoint(controlv1.PeerControlServiceCordonPeerProcedure, s.cordonPeer,
		func(x *exchange, q *controlv1.CordonPeerRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "nodeId")
			q.NodeId = x.path["id"]
			return err
		}, receipted[controlv1.CordonPeerRequest, *controlv1.CordonPeerResponse]))
	rt.add("POST peers/{id}:uncordon", endpoint(controlv1.PeerControlServiceUncordonPeerProcedure, s.uncordonPeer,
		func(x *exchange, q *controlv1.UncordonPeerRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "nodeId")
			q.NodeId = x.path["id"]
			return err
		}, receipted[controlv1.UncordonPeerRequest, *controlv1.UncordonPeerResponse]))
	rt.add("POST peers/{id}:drain", endpoint(controlv1.PeerControlServiceDrainPeerProcedure, s.drainPeer,
		func(x *exchange, q *controlv1.DrainPeerRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "nodeId")
			q.NodeId = x.path["id"]
			return err
		}, receipted[controlv1.DrainPeerRequest, *controlv1.DrainPeerResponse]))
	rt.add("POST peers/{id}:cancelDrain", endpoint(controlv1.PeerControlServiceCancelDrainPeerProcedure, s.cancelDrainPeer,
		func(x *exchange, q *controlv1.CancelDrainPeerRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "nodeId")
			q.NodeId = x.path["id"]
			return err
		}, receipted[controlv1.CancelDrainPeerRequest, *controlv1.CancelDrainPeerResponse]))
	rt.add("PATCH peers/{id}", endpoint(controlv1.PeerControlServiceUpdatePeerProcedure, s.updatePeer,
		func(x *exchange, q *controlv1.UpdatePeerRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "nodeId")
			q.NodeId = x.path["id"]
			return err
		}, receipted[controlv1.UpdatePeerRequest, *controlv1.UpdatePeerResponse]))
}

func bindPeers(x *exchange, q *controlv1.ListPeersRequest) error {
	q.Role, q.ClusterId, q.Region = x.q.text("role"), x.q.text("clusterId"), x.q.text("region")
	q.MeshVersion, q.Labels = x.q.text("meshVersion"), x.q.texts("label")
	q.Statuses = words[controlv1.PeerStatus](x.q, "status", controlv1.PeerStatus(0).Descriptor())
	q.Lifecycles = words[controlv1.PeerLifecycle](x.q, "lifecycle", controlv1.PeerLifecycle(0).Descriptor())
	q.PageSize, q.PageToken, q.OrderBy = x.q.page()
	q.Read = x.q.read()
	return nil
}

func (s *Server) namespaceRoutes(rt *rest) {
	rt.add("GET namespaces", endpoint(controlv1.NamespaceControlServiceListNamespacesProcedure, s.listNamespaces,
		func(x *exchange, q *controlv1.ListNamespacesRequest) error {
			q.Search = x.q.text("search")
			q.PageSize, q.PageToken, q.OrderBy = x.q.page()
			q.Read = x.q.read()
			return nil
		},
		func(_ *exchange, _ *controlv1.ListNamespacesRequest, r *controlv1.ListNamespacesResponse) answer {
			return listAnswer(r.Namespaces, r.Position, r.NextPageToken)
		}))
	rt.add("GET namespaces/{ns}", endpoint(controlv1.NamespaceControlServiceGetNamespaceProcedure, s.getNamespace,
		func(x *exchange, q *controlv1.GetNamespaceRequest) error {
			q.Namespace, q.Read = x.path["ns"], x.q.read()
			return nil
		}, whole[controlv1.GetNamespaceRequest, controlv1.Namespace]))
	rt.add("POST namespaces", endpoint(controlv1.NamespaceControlServiceCreateNamespaceProcedure, s.createNamespace,
		func(x *exchange, q *controlv1.CreateNamespaceRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q)
			return err
		}, created))
	rt.add("PATCH namespaces/{ns}", endpoint(controlv1.NamespaceControlServiceUpdateNamespaceProcedure, s.updateNamespace,
		func(x *exchange, q *controlv1.UpdateNamespaceRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "namespace")
			q.Namespace = x.path["ns"]
			return err
		}, receipted[controlv1.UpdateNamespaceRequest, *controlv1.UpdateNamespaceResponse]))
	rt.add("DELETE namespaces/{ns}", endpoint(controlv1.NamespaceControlServiceDeleteNamespaceProcedure, s.deleteNamespace,
		func(x *exchange, q *controlv1.DeleteNamespaceRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, "namespace")
			q.Namespace = x.path["ns"]
			return err
		}, receipted[controlv1.DeleteNamespaceRequest, *controlv1.DeleteNamespaceResponse]))
}

// created answers with where the namespace is now.
func created(x *exchange, q *controlv1.CreateNamespaceRequest, r *controlv1.CreateNamespaceResponse) answer {
	a := receipted(x, q, r)
	if !r.GetReceipt().GetDryRun() {
		a.status = http.StatusCreated
		a.header = map[string]string{"Location": "/control/namespaces/" + url.PathEscape(q.Namespace)}
	}
	return a
}

func (s *Server) logRoutes(rt *rest) {
	list := func(x *exchange, _ *controlv1.ListEventsRequest, r *controlv1.ListEventsResponse) answer {
		return listAnswer(r.Events, r.Position, pageFrom(r.NextFrom))
	}
	rt.add("GET log", endpoint(controlv1.LogServiceListEventsProcedure, s.listEvents, bindEvents, list))
	rt.add("GET audit", auditRoute(
		endpoint(controlv1.LogServiceListEventsProcedure, s.listEvents, func(x *exchange, q *controlv1.ListEventsRequest) error {
			x.q.flag("refused")
			return bindEvents(x, q)
		}, list),
		endpoint(controlv1.LogServiceListRefusalsProcedure, s.listRefusals, bindRefusals,
			func(_ *exchange, _ *controlv1.ListRefusalsRequest, r *controlv1.ListRefusalsResponse) answer {
				return listAnswer(r.Refusals, r.Position, pageFrom(r.NextFrom))
			})))
	rt.add("GET log/{position}", endpoint(controlv1.LogServiceGetEventProcedure, s.getEvent,
		func(x *exchange, q *controlv1.GetEventRequest) error {
			n, err := strconv.ParseInt(x.path["position"], 10, 64)
			if err != nil || n <= 0 {
				return badField("position", "a position, 1 or more", "is %.80q", x.path["position"])
			}
			q.Position = n
			return nil
		}, whole[controlv1.GetEventRequest, controlv1.LogEvent]))
}

// pageFrom is the page token of a list that goes on at a number; 0 is its end.
func pageFrom(next int64) string {
	if next == 0 {
		return ""
	}
	return strconv.FormatInt(next, 10)
}

// bindEvents reads the parameters of the log. A page token of the log is the
// position where the page begins, so either name will do.
func bindEvents(x *exchange, q *controlv1.ListEventsRequest) error {
	q.From, q.Limit = x.q.position("from"), x.q.count("limit", MaxPage)
	if token := x.q.position("pageToken"); token != 0 {
		q.From = token
	}
	if size := x.q.count("pageSize", MaxPage); size != 0 {
		q.Limit = size
	}
	q.Context, q.Type, q.Id = x.q.text("context"), x.q.text("type"), x.q.text("id")
	q.Actor, q.CorrelationId = x.q.text("actor"), x.q.text("correlationId")
	q.Read = x.q.read()
	return nil
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz says what a server that is not ready waits for.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if waiting := s.waiting(); len(waiting) > 0 {
		s.writeProblem(w, r, notReady(waiting))
		return
	}
	healthz(w, r)
}
