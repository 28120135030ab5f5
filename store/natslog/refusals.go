package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/omnirelay/omnirelay/store"
)

// Refusals returns the audit of refused calls (A6).
func (s *Store) Refusals() *Refusals { return &Refusals{s} }

// Refusals keeps the newest records of refused calls, as many as Config allows.
// They are not part of the log: nothing is decided by them.
type Refusals struct{ s *Store }

// Record stores one record and waits until it is on disk, one fsync each. A
// caller that has many packs them into one.
func (r *Refusals) Record(ctx context.Context, data []byte) error {
	if err := r.s.usable(ctx); err != nil {
		return fmt.Errorf("natslog: record refusal: %w", err)
	}
	p := publication{subject: r.s.cfg.refusedSubject(), data: data, unconditional: true}
	if _, err := r.s.requests.publish(ctx, p, r.s.cfg.AckTimeout); err != nil {
		return fmt.Errorf("natslog: record refusal: %w", translate(err))
	}
	return nil
}

// List returns up to limit records with sequences above after, the oldest first.
// The first may be further on: the oldest are forgotten.
func (r *Refusals) List(ctx context.Context, after uint64, limit int) ([]store.Message, error) {
	if err := r.s.usable(ctx); err != nil {
		return nil, fmt.Errorf("natslog: list refusals: %w", err)
	}
	info, err := r.s.refused.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("natslog: list refusals: %w", translate(err))
	}
	var out []store.Message
	for at := max(after+1, info.State.FirstSeq); at <= info.State.LastSeq && len(out) < limit; at++ {
		raw, err := r.s.refused.GetMsg(ctx, at)
		if err = translate(err); errors.Is(err, store.ErrNotFound) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("natslog: list refusals: record %d: %w", at, err)
		}
		out = append(out, store.Message{Sequence: at, Data: raw.Data})
	}
	return out, nil
}
