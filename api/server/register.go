package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
)

// register fills the mux: every RPC, reflection, health, REST and SSE. An RPC
// that no file serves is an error.
func (s *Server) register() error {
	for _, register := range []func(){
		s.registerShards, s.registerPeers, s.registerNamespaces, s.registerLeaders,
		s.registerQuarantine, s.registerSchedules, s.registerMaintenance,
		s.registerLog, s.registerSessions, s.registerCommands, s.registerSystem,
	} {
		register()
	}
	for _, m := range s.methods {
		if !s.served[m.procedure] {
			return fmt.Errorf("server: %s has no handler", m.name)
		}
	}
	names := serviceNames(s.methods)
	slices.Sort(names)
	reflector := grpcreflect.NewStaticReflector(names...)
	s.mux.Handle(grpcreflect.NewHandlerV1(reflector))
	s.mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector))
	s.mux.Handle(grpchealth.NewHandler(health{s, names}))
	s.registerREST()
	return nil
}

// health answers gRPC health checks: a server that waits for something serves
// nothing.
type health struct {
	s     *Server
	names []string
}

// Check implements [grpchealth.Checker].
func (h health) Check(_ context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if req.Service != "" && !slices.Contains(h.names, req.Service) {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("unknown service %q", req.Service))
	}
	if len(h.s.waiting()) > 0 {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

// mount puts the handler of an RPC into the mux.
func (s *Server) mount(procedure string, h http.Handler) {
	s.served[procedure] = true
	m := s.methodOf(procedure)
	s.mux.HandleFunc(procedure, func(w http.ResponseWriter, r *http.Request) {
		if x := respond(h, w, r); !x.heard {
			s.unheardCall(m, r, x)
		}
	})
}
