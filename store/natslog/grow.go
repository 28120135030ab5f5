package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// A log that grows from one server to several is copied, frame by frame, into
// streams that are new. Until the last frame is there nobody may write to them:
// a leader that was elected over half a log would go on from its middle. So the
// stream itself carries a mark, which its members keep as they keep the stream,
// and a server that finds it waits.

// fillingKey is the metadata of the log's stream while it is filled; its value is
// the NATS name of the server that does.
const fillingKey = "omnirelay-filling"

// ErrTwoGrow: more than one server wants to fill the log.
var ErrTwoGrow = errors.New("two_grow: more than one server was started with a log to copy into the cluster")

// growers wants at most one server that fills the log.
func growers(heard map[string]hello) error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(heard)) {
		if heard[name].Grows {
			names = append(names, name)
		}
	}
	if len(names) > 1 {
		return fmt.Errorf("natslog: %w: %v (allowed: one)", ErrTwoGrow, names)
	}
	return nil
}

// filling says that another server fills the log, "" when this one may take it.
// One that is to fill a log that is complete already is refused, unless it did:
// then it asks for what is done.
func (s *Store) filling(info *jetstream.StreamInfo) (missing string, err error) {
	by := info.Config.Metadata[fillingKey]
	switch {
	case by != "" && by != s.cfg.name():
		return "the log is being copied into the cluster by " + by, nil
	case by != "" && !s.cfg.Grow:
		return "", fmt.Errorf("natslog: open %s: this server has begun to copy a log into the cluster and has not finished (allowed: start it with --grow as before)", s.cfg.Dir)
	}
	return "", nil
}

// Filling tells whether the log is still marked as being filled by this server.
func (s *Store) Filling(ctx context.Context) (bool, error) {
	info, err := s.lookUp(ctx, s.cfg.logStream())
	if err != nil || info == nil {
		return false, err
	}
	return info.Config.Metadata[fillingKey] != "", nil
}

// Grown takes the mark away: the log is whole, and any server may take it.
func (s *Store) Grown(ctx context.Context) error {
	info, err := s.lookUp(ctx, s.cfg.logStream())
	if err != nil {
		return err
	}
	if info == nil {
		return fmt.Errorf("natslog: stream %s is not there", s.cfg.logStream())
	}
	cfg := info.Config
	delete(cfg.Metadata, fillingKey)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckTimeout)
	defer cancel()
	if s.log, err = s.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("natslog: the log is whole, and the mark that says it is not stays: %w", err)
	}
	return nil
}
