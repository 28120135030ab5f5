package server

import (
	"context"
	"fmt"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/policy"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections/registry"
)

// Shards whose owners die of them, and the policy that says when they are
// quarantined.

func (s *Server) registerQuarantine() {
	handleUnary(s, controlv1.ShardControlServiceUnquarantineProcedure, s.unquarantineShards)
	handleUnary(s, controlv1.ShardControlServiceGetQuarantinePolicyProcedure, s.quarantinePolicy)
	handleUnary(s, controlv1.ShardControlServiceSetQuarantinePolicyProcedure, s.setQuarantinePolicy)
}

func (s *Server) unquarantineShards(ctx context.Context, q *controlv1.UnquarantineShardsRequest) (*controlv1.UnquarantineShardsResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.UnquarantineShardsResponse{Receipt: receipt}, err
}

func (s *Server) setQuarantinePolicy(ctx context.Context, q *controlv1.SetQuarantinePolicyRequest) (*controlv1.SetQuarantinePolicyResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.SetQuarantinePolicyResponse{Receipt: receipt}, err
}

func (s *Server) quarantinePolicy(ctx context.Context, q *controlv1.GetQuarantinePolicyRequest) (*controlv1.QuarantinePolicy, error) {
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var set *eventsv1.PolicySet
	if !r.empty {
		if set, _, err = registry.Policy(r.View, policy.QuarantineKind, policy.DefaultName, r.at); err != nil {
			return nil, err
		}
	}
	d := policy.DefaultQuarantine()
	answer := &controlv1.QuarantinePolicy{Deaths: int32(d.Deaths), WindowMs: d.Window.Milliseconds(), MaxAtOnce: int32(d.MaxAtOnce)}
	if p := set.GetQuarantine(); p != nil {
		answer = &controlv1.QuarantinePolicy{
			Deaths: int32(p.Deaths), WindowMs: int64(p.WindowMs), MaxAtOnce: int32(p.MaxAtOnce),
			Disabled: p.Disabled, Version: int64(set.Version),
		}
	}
	if callOf(ctx).tagged(versionETag(answer.Version)) {
		return nil, errNotModified
	}
	return answer, nil
}

func quarantineCommand(r *controlv1.SetQuarantinePolicyRequest) (commands.Command, error) {
	c := policy.SetQuarantine{Disabled: r.Disabled}
	for _, f := range []struct {
		field string
		from  *int32
		to    **uint32
		most  int32
	}{
		{"deaths", r.Deaths, &c.Deaths, policy.MaxQuarantineDeaths},
		{"maxAtOnce", r.MaxAtOnce, &c.MaxAtOnce, policy.MaxQuarantineAtOnce},
	} {
		if f.from == nil {
			continue
		}
		if *f.from < 1 || *f.from > f.most {
			return nil, badField(f.field, fmt.Sprintf("1 to %d", f.most), "is %d", *f.from)
		}
		n := uint32(*f.from)
		*f.to = &n
	}
	if r.WindowMs != nil {
		least, most := policy.MinQuarantineWindow.Milliseconds(), policy.MaxQuarantineWindow.Milliseconds()
		if *r.WindowMs < least || *r.WindowMs > most {
			return nil, badField("windowMs", fmt.Sprintf("%d to %d", least, most), "is %d", *r.WindowMs)
		}
		window := time.Duration(*r.WindowMs) * time.Millisecond
		c.Window = &window
	}
	return c, nil
}
