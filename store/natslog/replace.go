package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
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

// ErrNotReplaceable: a replica cannot be replaced now. Nothing was changed.
var ErrNotReplaceable = errors.New("not_replaceable")

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

func replicasOf(info *jetstream.StreamInfo) []Replica {
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

// Replace gives the place of a dead directory to the one that was started in its
// stead under the same server's name, and returns that one's NATS name when the old
// one is taken out: see [Store.AwaitReplica] for the rest. It refuses, with
// [ErrNotReplaceable], unless the old directory is connected neither here nor to the
// log's leader, exactly one new one is, and all other replicas have all that is
// stored: a replica that is taken out counts no longer, so those that are left must
// be a majority that lacks nothing.
//
// With check it only says whether it could.
func (s *Store) Replace(ctx context.Context, name string, check bool) (directory string, err error) {
	info, err := s.look(ctx, s.cfg.logStream())
	if err != nil {
		return "", err
	}
	if info == nil || info.Cluster == nil {
		return "", fmt.Errorf("natslog: replace %s: %w: the log has one replica", name, ErrNotReplaceable)
	}
	replicas, up := replicasOf(info), s.server.routes()
	up[s.cfg.name()] = true
	old, err := replaceable(replicas, up, name)
	if err != nil {
		return "", fmt.Errorf("natslog: replace %s: %w", name, err)
	}
	if _, here := s.replaced.Load(old.successor); old.gone && !here {
		return "", fmt.Errorf("natslog: replace %s: %w: its replica is on %s, which is connected", name, ErrNotReplaceable, old.successor)
	}
	if check {
		return "", nil
	}
	s.replaced.Store(old.successor, true)
	if !old.gone {
		s.cfg.logger().Warn("taking a replica out of the log", "replica", old.name, "id", old.id)
		if err := s.removeServer(ctx, old.name, old.id); err != nil {
			return "", fmt.Errorf("natslog: replace %s: %w", name, err)
		}
	}
	return old.successor, nil
}

// look looks for a stream until its leader answers.
func (s *Store) look(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	for {
		info, err := s.lookBriefly(ctx, name)
		if !errors.Is(err, errNobody) {
			return info, err
		}
		if err := s.wait(ctx, time.After(4*helloEvery)); err != nil {
			return nil, fmt.Errorf("natslog: look for stream %s: %w", name, err)
		}
	}
}

// heardWithin is how lately the log's leader has heard a replica that is not gone: ten
// heartbeats of raft.
const heardWithin = time.Second

// leaving is the replica that is to be taken out, and who takes its place.
type leaving struct {
	name, id, successor string
	// gone: it was taken out before, and its successor has its place already.
	gone bool
}

// replaceable decides whether a replica may be replaced. up are the NATS names of
// the servers that are connected.
func replaceable(replicas []Replica, up map[string]bool, name string) (leaving, error) {
	var out leaving
	for server := range up {
		if plainName(server) == name {
			if out.successor != "" {
				return out, fmt.Errorf("%w: %s and %s are both connected", ErrNotReplaceable, out.successor, server)
			}
			out.successor = server
		}
	}
	for _, r := range replicas {
		switch {
		case r.NATS == out.successor && r.NATS != "":
			out.gone = true
		case r.Server == name || unknownName(r):
			// The name of a server that nobody has seen since the others were started
			// is not known, its raft id is.
			if out.name != "" {
				return out, fmt.Errorf("%w: two replicas are missing, %s and %s", ErrNotReplaceable, out.name, r.NATS)
			}
			// A server that is cut off from this one may be well. 0 is one that the leader
			// has not heard since it leads.
			if r.Silent > 0 && r.Silent < heardWithin && !r.Offline {
				return out, fmt.Errorf("%w: replica %s was heard by the leader %s ago", ErrNotReplaceable, r.NATS, r.Silent.Round(time.Millisecond))
			}
			out.name, out.id = r.NATS, raftID(r)
		case !r.Current:
			return out, fmt.Errorf("%w: replica %s is behind by %d (offline: %t); all that are left must have what is stored",
				ErrNotReplaceable, r.NATS, r.Lag, r.Offline)
		}
	}
	switch {
	case out.successor == "":
		return out, fmt.Errorf("%w: no server %s is connected; start it on an empty directory first", ErrNotReplaceable, name)
	case out.gone:
		return out, nil
	case out.name == "":
		return out, fmt.Errorf("%w: no replica is on %s; they are on %v", ErrNotReplaceable, name, replicas)
	case up[out.name]:
		return out, fmt.Errorf("%w: %s is connected", ErrNotReplaceable, out.name)
	}
	return out, nil
}

// unknownName tells a replica whose server's name JetStream does not know.
func unknownName(r Replica) bool { return strings.Contains(r.NATS, "peerID: ") }

// raftID is the peer id of a replica, as nats-server makes it of its name, or
// names it where it has no name.
func raftID(r Replica) string {
	if _, rest, ok := strings.Cut(r.NATS, "peerID: "); ok {
		id, _, _ := strings.Cut(rest, ")")
		return strings.TrimSpace(id)
	}
	return ""
}

// removeWait bounds one request to take a server out: only the leader of the
// cluster's membership answers, and it may be the very server that is gone.
const removeWait = time.Second

// removeServer takes a server out of the cluster's membership, asking until it is
// answered. JetStream then gives its replicas to the one that has none.
func (s *Store) removeServer(ctx context.Context, name, id string) error {
	conn, err := s.server.connect(systemUser, nats.NoReconnect())
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := json.Marshal(server.JSApiMetaServerRemoveRequest{Server: name, Peer: id})
	if err != nil {
		return err
	}
	for asked := 1; ; asked++ {
		done, err := s.askRemove(ctx, conn, request)
		// One that is not there after an answer was lost is the one that was taken out.
		if done || asked > 1 && codeOf(err) == codeNotMember {
			return nil
		}
		if err != nil && codeOf(err) != codeChangeInflight {
			return fmt.Errorf("remove %s from the cluster: %w", name, err)
		}
		if err := s.wait(ctx, time.After(4*helloEvery)); err != nil {
			return fmt.Errorf("remove %s from the cluster: nobody has answered: %w", name, context.Cause(ctx))
		}
	}
}

// askRemove asks once. Without an answer it is neither done nor an error.
func (s *Store) askRemove(ctx context.Context, conn *nats.Conn, request []byte) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, removeWait)
	defer cancel()
	msg, err := conn.RequestWithContext(ctx, server.JSApiRemoveServer, request)
	switch {
	case errors.Is(err, nats.ErrConnectionClosed):
		return false, err
	case err != nil:
		s.cfg.logger().Debug("a replica is not taken out yet", "error", err)
		return false, nil //nolint:nilerr // asked again
	}
	var answer stepDownResponse
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return false, err
	}
	if answer.Error != nil {
		return false, answer.Error
	}
	return true, nil
}

// AwaitReplica waits until a directory, by its NATS name, holds a whole copy of every
// stream.
func (s *Store) AwaitReplica(ctx context.Context, name string) error {
	tick := time.NewTicker(4 * helloEvery)
	defer tick.Stop()
	missing := "nothing was asked yet"
	for {
		missing = ""
		for _, stream := range []string{s.cfg.logStream(), s.cfg.authStream(), s.cfg.refusedStream()} {
			info, err := s.lookBriefly(ctx, stream)
			if err != nil || info == nil || info.Cluster == nil {
				missing = fmt.Sprintf("stream %s does not answer", stream)
				break
			}
			at := slices.IndexFunc(replicasOf(info), func(r Replica) bool { return r.NATS == name })
			if at < 0 || !replicasOf(info)[at].Current {
				missing = fmt.Sprintf("stream %s is not whole there", stream)
				break
			}
		}
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
