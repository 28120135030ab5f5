package client

import controlv1 "github.com/omnirelay/omnirelay/api/v1"

// mutationOf returns where a request keeps its Mutation, nil when it has none.
// A switch rather than reflection: it is on the path of every command.
func mutationOf(req any) **controlv1.Mutation {
	switch r := req.(type) {
	case *controlv1.CordonPeerRequest:
		return &r.Mutation
	case *controlv1.UncordonPeerRequest:
		return &r.Mutation
	case *controlv1.UpdatePeerRequest:
		return &r.Mutation
	case *controlv1.DrainPeerRequest:
		return &r.Mutation
	case *controlv1.CancelDrainPeerRequest:
		return &r.Mutation
	case *controlv1.CreateMaintenanceRequest:
		return &r.Mutation
	case *controlv1.EndMaintenanceRequest:
		return &r.Mutation
	case *controlv1.DeleteMaintenanceRequest:
		return &r.Mutation
	case *controlv1.CreateNamespaceRequest:
		return &r.Mutation
	case *controlv1.UpdateNamespaceRequest:
		return &r.Mutation
	case *controlv1.DeleteNamespaceRequest:
		return &r.Mutation
	case *controlv1.MoveShardsRequest:
		return &r.Mutation
	case *controlv1.CancelShardMovesRequest:
		return &r.Mutation
	case *controlv1.PauseShardsRequest:
		return &r.Mutation
	case *controlv1.ResumeShardsRequest:
		return &r.Mutation
	case *controlv1.UnquarantineShardsRequest:
		return &r.Mutation
	case *controlv1.SetQuarantinePolicyRequest:
		return &r.Mutation
	case *controlv1.CreateScheduleRequest:
		return &r.Mutation
	case *controlv1.DeleteScheduleRequest:
		return &r.Mutation
	case *controlv1.PauseScheduleRequest:
		return &r.Mutation
	case *controlv1.ResumeScheduleRequest:
		return &r.Mutation
	case *controlv1.CampaignRequest:
		return &r.Mutation
	case *controlv1.ResignRequest:
		return &r.Mutation
	case *controlv1.ReplaceServerRequest:
		return &r.Mutation
	case *controlv1.SealRequest:
		return &r.Mutation
	case *controlv1.UnsealRequest:
		return &r.Mutation
	case *controlv1.OpenSessionRequest:
		return &r.Mutation
	case *controlv1.LeaveRequest:
		return &r.Mutation
	}
	return nil
}

// commandMutation is mutationOf for what is inside a Command; nil when it is
// empty.
func commandMutation(c *controlv1.Command) **controlv1.Mutation {
	switch r := c.GetCommand().(type) {
	case *controlv1.Command_CordonPeer:
		return mutationOf(r.CordonPeer)
	case *controlv1.Command_UncordonPeer:
		return mutationOf(r.UncordonPeer)
	case *controlv1.Command_UpdatePeer:
		return mutationOf(r.UpdatePeer)
	case *controlv1.Command_DrainPeer:
		return mutationOf(r.DrainPeer)
	case *controlv1.Command_CancelDrainPeer:
		return mutationOf(r.CancelDrainPeer)
	case *controlv1.Command_CreateNamespace:
		return mutationOf(r.CreateNamespace)
	case *controlv1.Command_UpdateNamespace:
		return mutationOf(r.UpdateNamespace)
	case *controlv1.Command_DeleteNamespace:
		return mutationOf(r.DeleteNamespace)
	case *controlv1.Command_MoveShards:
		return mutationOf(r.MoveShards)
	case *controlv1.Command_CancelShardMoves:
		return mutationOf(r.CancelShardMoves)
	case *controlv1.Command_PauseShards:
		return mutationOf(r.PauseShards)
	case *controlv1.Command_ResumeShards:
		return mutationOf(r.ResumeShards)
	case *controlv1.Command_Campaign:
		return mutationOf(r.Campaign)
	case *controlv1.Command_Resign:
		return mutationOf(r.Resign)
	}
	return nil
}
