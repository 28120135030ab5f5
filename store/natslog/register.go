package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/omnirelay/omnirelay/store"
)

// Register returns the cluster's register: the stream of one message in which
// the control leader proves its leadership.
func (s *Store) Register() *Register { return &Register{s} }

// Register is a [store.Register] on a stream of its own. Its versions are the
// stream's sequences.
type Register struct{ s *Store }

var _ store.Register = (*Register)(nil)

// Write implements [store.Register].
func (r *Register) Write(ctx context.Context, expect uint64, data []byte) (uint64, error) {
	if err := r.s.usable(ctx); err != nil {
		return 0, fmt.Errorf("natslog: write register: %w", err)
	}
	p := publication{subject: r.s.cfg.authSubject(), expect: expect, data: data}
	a, err := r.s.requests.publish(ctx, p, r.s.cfg.answerTimeout())
	if err != nil {
		return 0, fmt.Errorf("natslog: write register at version %d: %w", expect, translate(err))
	}
	return a.Sequence, nil
}

// Read implements [store.Register].
func (r *Register) Read(ctx context.Context) (uint64, []byte, error) {
	if err := r.s.usable(ctx); err != nil {
		return 0, nil, fmt.Errorf("natslog: read register: %w", err)
	}
	ctx, cancel := r.s.request(ctx)
	defer cancel()
	raw, err := r.s.auth.GetLastMsgForSubject(ctx, r.s.cfg.authSubject())
	if err = translate(because(ctx, err)); errors.Is(err, store.ErrNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("natslog: read register: %w", err)
	}
	return raw.Sequence, raw.Data, nil
}
