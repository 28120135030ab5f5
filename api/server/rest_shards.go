package server

import (
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

func (s *Server) shardRoutes(rt *rest) {
	rt.add("GET shards", endpoint(controlv1.ShardControlServiceListProcedure, s.listShards,
		func(x *exchange, q *controlv1.ShardListRequest) error {
			q.Namespace, q.OwnerNodeId, q.Statuses, q.Search = x.q.shards()
			q.PageSize, q.Cursor, q.OrderBy = x.q.page()
			q.Read = x.q.read()
			return nil
		},
		func(_ *exchange, _ *controlv1.ShardListRequest, r *controlv1.ShardListResponse) answer {
			return listAnswer(r.Shards, r.Version, r.NextCursor)
		}))
	rt.add("GET shards/diff", endpoint(controlv1.ShardControlServiceDiffProcedure, s.diffShards,
		func(x *exchange, q *controlv1.ShardDiffRequest) error {
			q.Namespace, q.OwnerNodeId, q.Statuses, q.Search = x.q.shards()
			q.FromToken, q.ToToken = x.q.position("fromVersion"), x.q.position("toVersion")
			q.Limit = x.q.count("limit", MaxDiff)
			return nil
		}, whole[controlv1.ShardDiffRequest, controlv1.ShardDiffResponse]))
	rt.add("POST shards/simulate", endpoint(controlv1.ShardControlServiceSimulateProcedure, s.simulate,
		func(x *exchange, q *controlv1.ShardSimulationRequest) error {
			if err := readMessage(x.w, x.r, q); err != nil {
				return err
			}
			if len(x.r.URL.RawQuery) > 0 {
				q.Read = x.q.read()
			}
			return nil
		}, whole[controlv1.ShardSimulationRequest, controlv1.ShardSimulationResponse]))
	rt.add("GET shards/watch", s.shardEvents)
	rt.add("GET shards/{ns}/{id}", endpoint(controlv1.ShardControlServiceGetProcedure, s.getShard,
		func(x *exchange, q *controlv1.GetShardRequest) error {
			q.Namespace, q.ShardId, q.Read = x.path["ns"], x.path["id"], x.q.read()
			return nil
		}, whole[controlv1.GetShardRequest, controlv1.ShardRecord]))
	rt.add("GET shards/{ns}/{id}/history", endpoint(controlv1.ShardControlServiceHistoryProcedure, s.shardHistory,
		func(x *exchange, q *controlv1.ShardHistoryRequest) error {
			q.Namespace, q.ShardId, q.Read = x.path["ns"], x.path["id"], x.q.read()
			q.PageSize, q.PageToken = x.q.count("pageSize", MaxPage), x.q.text("pageToken")
			return nil
		},
		func(_ *exchange, _ *controlv1.ShardHistoryRequest, r *controlv1.ShardHistoryResponse) answer {
			return listAnswer(r.Items, r.Position, r.NextPageToken)
		}))
	s.shardCommandRoutes(rt)
}

// shardCommandRoutes are the commands about one shard; many at once are for
// Connect.
func (s *Server) shardCommandRoutes(rt *rest) {
	inPath := []string{"namespace", "shardIds"}
	rt.add("POST shards/{ns}/{id}:move", endpoint(controlv1.ShardControlServiceMoveProcedure, s.moveShards,
		func(x *exchange, q *controlv1.MoveShardsRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, inPath...)
			q.Namespace, q.ShardIds = x.path["ns"], []string{x.path["id"]}
			return err
		}, receipted[controlv1.MoveShardsRequest, *controlv1.MoveShardsResponse]))
	rt.add("POST shards/{ns}/{id}:cancelMove", endpoint(controlv1.ShardControlServiceCancelMoveProcedure, s.cancelShardMoves,
		func(x *exchange, q *controlv1.CancelShardMovesRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, inPath...)
			q.Namespace, q.ShardIds = x.path["ns"], []string{x.path["id"]}
			return err
		}, receipted[controlv1.CancelShardMovesRequest, *controlv1.CancelShardMovesResponse]))
	rt.add("POST shards/{ns}/{id}:pause", endpoint(controlv1.ShardControlServicePauseProcedure, s.pauseShards,
		func(x *exchange, q *controlv1.PauseShardsRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, inPath...)
			q.Namespace, q.ShardIds = x.path["ns"], []string{x.path["id"]}
			return err
		}, receipted[controlv1.PauseShardsRequest, *controlv1.PauseShardsResponse]))
	rt.add("POST shards/{ns}/{id}:resume", endpoint(controlv1.ShardControlServiceResumeProcedure, s.resumeShards,
		func(x *exchange, q *controlv1.ResumeShardsRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, inPath...)
			q.Namespace, q.ShardIds = x.path["ns"], []string{x.path["id"]}
			return err
		}, receipted[controlv1.ResumeShardsRequest, *controlv1.ResumeShardsResponse]))
	rt.add("POST shards/{ns}/{id}:unquarantine", endpoint(controlv1.ShardControlServiceUnquarantineProcedure, s.unquarantineShards,
		func(x *exchange, q *controlv1.UnquarantineShardsRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q, inPath...)
			q.Namespace, q.ShardIds = x.path["ns"], []string{x.path["id"]}
			return err
		}, receipted[controlv1.UnquarantineShardsRequest, *controlv1.UnquarantineShardsResponse]))
	rt.add("GET policies/quarantine", endpoint(controlv1.ShardControlServiceGetQuarantinePolicyProcedure, s.quarantinePolicy,
		func(x *exchange, q *controlv1.GetQuarantinePolicyRequest) error {
			q.Read = x.q.read()
			return nil
		}, whole[controlv1.GetQuarantinePolicyRequest, controlv1.QuarantinePolicy]))
	rt.add("PATCH policies/quarantine", endpoint(controlv1.ShardControlServiceSetQuarantinePolicyProcedure, s.setQuarantinePolicy,
		func(x *exchange, q *controlv1.SetQuarantinePolicyRequest) (err error) {
			q.Mutation, err = readMutation(x.w, x.r, q)
			return err
		}, receipted[controlv1.SetQuarantinePolicyRequest, *controlv1.SetQuarantinePolicyResponse]))
}

// shards reads the filters of shards.
func (q *query) shards() (namespace, owner string, statuses []controlv1.ShardStatus, search string) {
	return q.text("namespace"), q.text("owner"),
		words[controlv1.ShardStatus](q, "status", controlv1.ShardStatus(0).Descriptor()), q.text("search")
}
