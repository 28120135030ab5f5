package main

import (
	"context"
	"log/slog"

	"github.com/omnirelay/omnirelay/api/member"
)

// runAgent is a member of the mesh until ctx ends; then it releases its shards
// and leaves.
func runAgent(ctx context.Context, cfg *agentConfig, log *slog.Logger) error {
	m := member.DefaultConfig(cfg.NodeID, cfg.Data, cfg.Endpoints...)
	m.Role, m.Region, m.Zone, m.Weight, m.Labels = cfg.Role, cfg.Region, cfg.Zone, cfg.Weight, cfg.Labels
	m.Version, m.TakeoverWait, m.Logger = release(), cfg.TakeoverWait, log
	owned := newTally(log)
	m.Own = func(ctx context.Context, o member.Ownership) error {
		log.Debug("shard owned", "shard", o.String())
		owned.add(1)
		<-ctx.Done()
		owned.add(-1)
		log.Debug("shard given up", "shard", o.String(), "why", context.Cause(ctx))
		return nil
	}
	log.Info("agent starting", "version", release(), "endpoints", cfg.Endpoints, "data", cfg.Data)
	stop := owned.start()
	defer stop()
	return member.Run(ctx, m)
}
