package sessions_test

import (
	"context"
	"errors"
	"testing"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// relayTo is a relay of a server that does not lead, before the story's keeper.
func (s *story) relayTo() *sessions.Relay {
	other := &sessions.Relay{Keeper: s.keeper}
	return &sessions.Relay{
		Leading: func() bool { return false },
		Leader:  func() (string, bool) { return "s1", true },
		Ask: func(ctx context.Context, _ string, request []byte) ([]byte, error) {
			return other.Serve(ctx, request), nil
		},
	}
}

func heartbeatOf(node string, session events.Position, secret string) sessions.Heartbeat {
	return sessions.Heartbeat{NodeID: node, Session: session, Secret: events.HashOf([]byte(secret))}
}

// TestRelay: what the leader's keeper answers is what the node is told, whichever
// server it asked.
func TestRelay(t *testing.T) {
	s := tell(t, "n1", "n2")
	r := s.relayTo()
	beat := func(hb sessions.Heartbeat) (sessions.Answer, error) { return r.Beat(t.Context(), hb) }
	if a, err := beat(heartbeatOf("n1", 1, "n1")); err != nil || a.TTL != ttl || !a.WantFull {
		t.Errorf("answered with %+v, %v", a, err)
	}
	var rejected *commands.Rejected
	if _, err := beat(heartbeatOf("n1", 1, "n2")); !errors.As(err, &rejected) || rejected.Reason != "secret_mismatch" {
		t.Errorf("another secret: %v", err)
	}
	s.passes(2 * ttl)
	s.step([]string{"n1", "n2"})
	if _, err := beat(heartbeatOf("n1", 1, "n1")); !errors.Is(err, sessions.ErrExpiring) {
		t.Errorf("while it expires: %v", err)
	}
	s.lapses()
	if _, err := beat(heartbeatOf("n1", 1, "n1")); !errors.Is(err, sessions.ErrNoAuthority) {
		t.Errorf("relayed to a leader without authority: %v", err)
	}
}

// TestRelayWithoutAnswer: no leader, no answer, and one that cannot be read extend
// no lease and lose no session: the node asks again.
func TestRelayWithoutAnswer(t *testing.T) {
	s := tell(t, "n1")
	for name, change := range map[string]func(*sessions.Relay){
		"no leader": func(r *sessions.Relay) { r.Leader = func() (string, bool) { return "s1", false } },
		"no answer": func(r *sessions.Relay) {
			r.Ask = func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("lost") }
		},
		"a broken answer": func(r *sessions.Relay) {
			whole := r.Ask
			r.Ask = func(ctx context.Context, server string, request []byte) ([]byte, error) {
				data, err := whole(ctx, server, request)
				return data[:len(data)/2], err
			}
		},
		"an answer of nothing": func(r *sessions.Relay) {
			r.Ask = func(context.Context, string, []byte) ([]byte, error) { return []byte{0xa0}, nil }
		},
		"a broken request": func(r *sessions.Relay) {
			whole := r.Ask
			r.Ask = func(ctx context.Context, server string, request []byte) ([]byte, error) {
				return whole(ctx, server, request[:len(request)/2])
			}
		},
	} {
		r := s.relayTo()
		change(r)
		a, err := r.Beat(t.Context(), heartbeatOf("n1", 1, "n1"))
		if !errors.Is(err, sessions.ErrNoAuthority) || a != (sessions.Answer{}) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
