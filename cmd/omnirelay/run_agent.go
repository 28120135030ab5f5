package main

import (
	"context"
	"log/slog"

	"github.com/omnirelay/omnirelay/api/member"
)

// runAgent is a member of the mesh that holds its shards and does nothing with
// them, until ctx ends; then it releases them and leaves. The member names the
// node in its lines itself.
func runAgent(ctx context.Context, cfg *agentConfig, log *slog.Logger) error {
	m := member.DefaultConfig(cfg.NodeID, cfg.Data, cfg.Endpoints...)
	m.Role, m.Region, m.Zone, m.Weight, m.Labels = cfg.Role, cfg.Region, cfg.Zone, cfg.Weight, cfg.Labels
	m.Version, m.TakeoverWait, m.LeaveSilence, m.Logger = release(), cfg.TakeoverWait, cfg.LeaveSilence, log
	log.Info("agent starting", "node", cfg.NodeID, "version", release(), "endpoints", cfg.Endpoints, "data", cfg.Data)
	return member.Run(ctx, m)
}
