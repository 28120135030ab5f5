package server

import (
	"context"
	"maps"
	"slices"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
)

// The servers of the control plane, and the copies of the log that they hold.

func (s *Server) listServers(ctx context.Context, _ *controlv1.ListServersRequest) (*controlv1.ListServersResponse, error) {
	r, err := s.read(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	answer := &controlv1.ListServersResponse{Servers: s.servers(r, len(s.waiting()) == 0), Position: int64(r.Position())}
	if s.deps.Replicas == nil {
		return answer, nil
	}
	replicas, err := s.deps.Replicas.List(ctx)
	if err != nil {
		// Without a leader of the log nobody knows; what the servers say of themselves
		// is an answer all the same.
		return answer, nil //nolint:nilerr // said above
	}
	for _, server := range answer.Servers {
		server.Replica = replicas[server.Name]
		delete(replicas, server.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(replicas)) { // of a server that nobody has heard
		answer.Servers = append(answer.Servers, &controlv1.ServerStatus{
			Name: name, Role: "standby", Replica: replicas[name], WaitingFor: []string{"it is silent"},
		})
	}
	return answer, nil
}

// replaceServer brings the replacement about, and tells the log then: the other
// way round the log would tell of what may not happen. Who repeats a call that did
// not end finds it done, and the log is told once by its key.
func (s *Server) replaceServer(ctx context.Context, q *controlv1.ReplaceServerRequest) (*controlv1.ReplaceServerResponse, error) {
	if err := commands.CheckName("server", q.Server); err != nil {
		return nil, err
	}
	if s.deps.Replicas == nil {
		return nil, commands.Refuse("single_server", "this is a single server: the log has one copy")
	}
	ctx, cancel := commandContext(ctx)
	defer cancel()
	whole, err := s.deps.Replicas.Replace(ctx, q.Server, q.GetMutation().GetDryRun())
	if err != nil {
		return nil, err
	}
	receipt, err := s.mutate(ctx, q)
	if err == nil && !receipt.GetDryRun() {
		err = whole(ctx)
	}
	return &controlv1.ReplaceServerResponse{Receipt: receipt}, err
}
