package natslog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// globalAccount is the account of the one connection that there is.
const globalAccount = "$G"

// Hosts tells whether this server leads the replicas of the log, and those of the
// register. A single server hosts both.
func (s *Store) Hosts() (log, register bool) {
	srv := s.server.Running()
	if srv == nil {
		return false, false
	}
	if !s.cfg.clustered() {
		return true, true
	}
	return srv.JetStreamIsStreamLeader(globalAccount, s.cfg.logStream()),
		srv.JetStreamIsStreamLeader(globalAccount, s.cfg.authStream())
}

// stepDownRequest is JetStream's, of which the jetstream package has no call.
type stepDownRequest struct {
	Placement struct {
		Preferred string `json:"preferred"`
	} `json:"placement"`
}

// stepDownWait bounds the wait for one leader's answer: one that is going does not
// give any.
const stepDownWait = 500 * time.Millisecond

// MoveLeaders asks that the replicas of the log and of the register be led by a
// server, by its plain name. It returns when they agreed to, a few round trips
// later; one that is led there already is left. Nothing is lost by it: a publish
// under way has its outcome found as always.
func (s *Store) MoveLeaders(ctx context.Context, server string) error {
	for _, stream := range []string{s.cfg.logStream(), s.cfg.authStream()} {
		info, err := s.lookBriefly(ctx, stream)
		if err != nil {
			return err
		}
		if info == nil || info.Cluster == nil {
			continue
		}
		if err := s.stepDown(ctx, stream, info, server); err != nil {
			return fmt.Errorf("natslog: move the leader of %s to %s: %w", stream, server, err)
		}
	}
	return nil
}

func (s *Store) stepDown(ctx context.Context, stream string, info *jetstream.StreamInfo, server string) error {
	if plainName(info.Cluster.Leader) == server {
		return nil
	}
	var r stepDownRequest
	for _, name := range members(info) {
		if plainName(name) == server {
			r.Placement.Preferred = name
		}
	}
	if r.Placement.Preferred == "" {
		return fmt.Errorf("%w: %s; allowed are those of %v", ErrNotMember, server, members(info))
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// A leader that has stepped down may not answer any more: who asked asks again.
	ctx, cancel := context.WithTimeout(ctx, stepDownWait)
	defer cancel()
	msg, err := s.conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, data)
	if err != nil {
		return err
	}
	return refusal(msg.Data)
}

// refusal is the error in an answer of JetStream.
func refusal(answer []byte) error {
	var a struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return err
	}
	if a.Error != nil {
		return a.Error
	}
	return nil
}
