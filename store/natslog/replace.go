package natslog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/store/natslog/embedded"
)

// ErrNotReplaceable: a replica cannot be replaced now. Nothing was changed.
var ErrNotReplaceable = errors.New("not_replaceable")

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
	replicas, up := replicasOf(info), s.server.Routes()
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
		if err := s.pause(ctx, lookEvery); err != nil {
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
	conn, err := s.server.Connect(embedded.System, nats.NoReconnect())
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
		if err := s.pause(ctx, lookEvery); err != nil {
			return fmt.Errorf("remove %s from the cluster: nobody has answered: %w", name, cmp.Or(context.Cause(ctx), err))
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
	err = refusal(msg.Data)
	return err == nil, err
}
