package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// beats lets the API ask who keeps the sessions.
type beats struct{ *sessions.Relay }

// Heartbeat implements server.Heartbeats.
func (b beats) Heartbeat(ctx context.Context, node string, session events.Position, secret events.Hash,
	digest []byte, held []*controlv1.HeldShard, full bool,
) (time.Duration, bool, error) {
	hb := sessions.Heartbeat{NodeID: node, Session: session, Secret: secret, Digest: digest, Full: full}
	for _, h := range held {
		hb.Held = append(hb.Held, sessions.Held{
			Namespace: h.GetNamespace(), Shard: h.GetShard(),
			Fence: events.Position(h.GetFenceToken()), State: sessions.State(h.GetState()),
		})
	}
	answer, err := b.Beat(ctx, hb)
	if errors.Is(err, sessions.ErrNoAuthority) || errors.Is(err, sessions.ErrExpiring) {
		err = fmt.Errorf("%w: %w", sequencer.ErrNotLeader, err) // another server, or a later try, may answer
	}
	return answer.TTL, answer.WantFull, err
}
