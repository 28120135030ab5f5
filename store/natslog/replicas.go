package natslog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Replica is a copy of the log and the server that holds it.
type Replica struct {
	// Server is the plain name, NATS the name with the directory's id.
	Server, NATS string
	// Leads: it leads the replicas of the log.
	Leads bool
	// Current: it has all that is stored. Offline: it is not connected.
	Current, Offline bool
	// Lag is how many raft entries it is behind.
	Lag uint64
	// Silent is for how long the leader has not heard it; 0 for the leader itself, and
	// for one that it has never heard.
	Silent time.Duration
}

// Replicas returns where the copies of the log are, as its leader knows. A single
// server has one.
func (s *Store) Replicas(ctx context.Context) ([]Replica, error) {
	info, err := s.lookUp(ctx, s.cfg.logStream())
	if err != nil {
		return nil, err
	}
	if info == nil || info.Cluster == nil {
		return []Replica{{Server: s.link.name, NATS: s.cfg.name(), Leads: true, Current: true}}, nil
	}
	return replicasOf(info), nil
}

// replicasOf are the replicas of a stream by their NATS names; none of a single
// server's.
func replicasOf(info *jetstream.StreamInfo) []Replica {
	if info.Cluster == nil {
		return nil
	}
	var out []Replica
	if leader := info.Cluster.Leader; leader != "" {
		out = append(out, Replica{Server: plainName(leader), NATS: leader, Leads: true, Current: true})
	}
	for _, r := range info.Cluster.Replicas {
		out = append(out, Replica{
			Server: plainName(r.Name), NATS: r.Name, Current: r.Current && !r.Offline, Offline: r.Offline, Lag: r.Lag, Silent: r.Active,
		})
	}
	slices.SortFunc(out, func(a, b Replica) int { return strings.Compare(a.NATS, b.NATS) })
	return out
}

// members are the NATS names of the servers that hold replicas.
func members(info *jetstream.StreamInfo) []string {
	var names []string
	for _, r := range replicasOf(info) {
		names = append(names, r.NATS)
	}
	return names
}

// lookEvery is the pause between two looks at what may take a while.
const lookEvery = 100 * time.Millisecond

// AwaitReplica waits until a directory, by its NATS name, holds a whole copy of every
// stream.
func (s *Store) AwaitReplica(ctx context.Context, name string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		missing := s.lacking(ctx, name)
		if missing == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("natslog: %s is not a whole replica yet: %s: %w", name, missing, context.Cause(ctx))
		}
	}
}

// lacking says of which stream a directory has no whole copy, "" when it has all.
func (s *Store) lacking(ctx context.Context, name string) string {
	for _, stream := range []string{s.cfg.logStream(), s.cfg.authStream(), s.cfg.refusedStream()} {
		info, err := s.lookBriefly(ctx, stream)
		if err != nil || info == nil || info.Cluster == nil {
			return fmt.Sprintf("stream %s does not answer", stream)
		}
		if !slices.ContainsFunc(replicasOf(info), func(r Replica) bool { return r.NATS == name && r.Current }) {
			return fmt.Sprintf("stream %s is not whole there", stream)
		}
	}
	return ""
}
