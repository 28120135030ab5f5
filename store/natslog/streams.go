package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// openStreams makes the streams, or takes them as they are with the bounds of
// this configuration. last is what the files hold.
func (s *Store) openStreams(ctx context.Context, last uint64) error {
	info, err := s.lookUp(ctx, s.cfg.logStream())
	if err != nil {
		return err
	}
	// The log is never created over files that hold messages, and never served
	// with fewer messages than they hold.
	var has uint64
	if info != nil {
		has = info.State.LastSeq
		s.used.Store(int64(info.State.Bytes))
	}
	if has != last || (info != nil && info.State.Msgs != last) {
		return &CorruptError{
			File: s.files.Dir, Offset: -1, Sequence: min(has, last) + 1, Err: ErrCorrupt,
			Problem: fmt.Sprintf("the files hold %d messages, JetStream finds %d", last, has),
		}
	}
	if s.log, err = s.ensure(ctx, s.logConfig()); err != nil {
		return err
	}
	if s.auth, err = s.ensure(ctx, s.authConfig()); err != nil {
		return err
	}
	s.refused, err = s.ensure(ctx, s.refusedConfig())
	return err
}

// lookUp returns nil when there is no such stream.
func (s *Store) lookUp(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	stream, err := s.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("natslog: look up stream %s: %w", name, err)
	}
	return stream.CachedInfo(), nil
}

func (s *Store) ensure(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := s.js.CreateOrUpdateStream(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("natslog: open stream %s: %w", cfg.Name, err)
	}
	return stream, nil
}

// dedupeWindow is the least that JetStream takes. We send no message ids, and at
// each start the server reads all messages of the window.
const dedupeWindow = 100 * time.Millisecond

func (s *Store) logConfig() jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:        s.cfg.logStream(),
		Subjects:    []string{s.cfg.logSubject()},
		Storage:     jetstream.FileStorage,
		Replicas:    s.cfg.replicas(),
		Discard:     jetstream.DiscardNew, // the default forgets the oldest
		MaxBytes:    s.cfg.MaxLogBytes,
		MaxMsgs:     -1,
		Duplicates:  dedupeWindow,
		DenyDelete:  true,
		DenyPurge:   true,
		AllowDirect: false, // a direct get may be answered by a replica that lags
	}
	if s.cfg.Grow {
		cfg.Metadata = map[string]string{fillingKey: s.cfg.name()}
	}
	return cfg
}

// authConfig keeps one message: writing the next forgets it.
func (s *Store) authConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        s.cfg.authStream(),
		Subjects:    []string{s.cfg.authSubject()},
		Storage:     jetstream.FileStorage,
		Replicas:    s.cfg.replicas(),
		Discard:     jetstream.DiscardOld,
		MaxMsgs:     1,
		MaxBytes:    authBytes,
		Duplicates:  dedupeWindow,
		DenyDelete:  true,
		DenyPurge:   true,
		AllowDirect: false,
	}
}

func (s *Store) refusedConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        s.cfg.refusedStream(),
		Subjects:    []string{s.cfg.refusedSubject()},
		Storage:     jetstream.FileStorage,
		Replicas:    s.cfg.replicas(),
		Discard:     jetstream.DiscardOld,
		MaxMsgs:     s.cfg.MaxRefusals,
		MaxBytes:    s.cfg.MaxRefusalBytes,
		Duplicates:  dedupeWindow,
		DenyDelete:  true,
		DenyPurge:   true,
		AllowDirect: false,
	}
}
