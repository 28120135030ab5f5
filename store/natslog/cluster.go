package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// ErrNotMember: a server holds none of the log's replicas.
var ErrNotMember = errors.New("not_a_member: the server holds none of the log's replicas")

// ErrOtherKind: the directory is that of a single server and is to be a cluster's,
// or the other way round. JetStream would remove what it holds.
var ErrOtherKind = errors.New("directory_of_other_kind")

// checkKind refuses a directory that a server of the other kind has written.
// JetStream removes the streams of a single server half a minute after it starts
// as a member of a cluster.
func (s *Store) checkKind() error {
	meta, err := jsfile.Clustered(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("natslog: open %s: %w", s.cfg.Dir, err)
	}
	blocks, err := s.files.List()
	if err != nil {
		return err
	}
	switch {
	case s.cfg.clustered() && !meta && len(blocks) > 0:
		return fmt.Errorf("natslog: open %s: %w: it holds the log of a single server, and Peers names %d; to grow it, seal it (omnirelay mesh log seal), stop it, and start it with --grow beside --route and --peers",
			s.cfg.Dir, ErrOtherKind, len(s.cfg.Peers))
	case !s.cfg.clustered() && meta:
		return fmt.Errorf("natslog: open %s: %w: it is that of one of several servers, and Peers names none; allowed are the addresses that it was started with",
			s.cfg.Dir, ErrOtherKind)
	}
	return nil
}

// joinCluster waits until the log can be read, or may begin, and takes its
// streams. It has no bound of its own: a majority may be down for long.
func (s *Store) joinCluster(ctx context.Context, empty bool) error {
	defer s.cfg.waiting("")
	ask := time.Now().Add(removedAfter)
	for {
		heard, err := s.askHello(ctx, empty)
		if err != nil {
			return err
		}
		missing, err := s.join(ctx, heard)
		if err == nil && missing == "" {
			return nil
		}
		if !empty && (time.Now().After(ask) || errors.Is(err, ErrNameTaken)) {
			if removed := s.checkPlace(ctx, heard); removed != nil {
				return removed
			}
			ask = time.Now().Add(membersEvery)
		}
		if err != nil {
			return err
		}
		s.cfg.waiting(missing)
		select {
		case <-time.After(helloEvery):
		case <-ctx.Done():
			return fmt.Errorf("natslog: open %s: %s: %w", s.cfg.Dir, missing, context.Cause(ctx))
		}
	}
}

// join is one attempt, with those that answer.
func (s *Store) join(ctx context.Context, heard map[string]hello) (missing string, err error) {
	if err := errors.Join(s.disagree(heard), growers(heard)); err != nil {
		return "", err
	}
	return s.takeStreams(ctx, heard)
}

// lookWait bounds one look for a stream: without a leader nobody answers.
const lookWait = 500 * time.Millisecond

// takeStreams takes the streams if they are there or may be made. missing says
// what keeps it from that for now.
func (s *Store) takeStreams(ctx context.Context, heard map[string]hello) (missing string, err error) {
	if 2*len(heard) <= len(s.cfg.Peers) {
		return s.told(heard) + ", and a majority is needed", nil
	}
	info, err := s.lookBriefly(ctx, s.cfg.logStream())
	switch {
	case errors.Is(err, errNobody):
		return s.told(heard) + ", and the log has no leader", nil
	case err != nil:
		return "", err
	case info == nil && !s.allEmpty(heard):
		return s.told(heard) + ", and there is no log: it begins when all answer and all are empty", s.logLost(heard)
	case info == nil && maker(heard) != s.cfg.name():
		return s.told(heard) + ", and " + maker(heard) + " makes the log", nil
	case info == nil:
		if info, err = s.makeStreams(ctx); err != nil {
			return fmt.Sprintf("%s, and the log is being made: %v", s.told(heard), err), nil
		}
	}
	if missing := s.outside(info); missing != "" {
		s.cfg.waiting(missing)
		s.tellOutside(ctx, heard)
		return missing, nil
	}
	if missing, err := s.filling(info); missing != "" || err != nil {
		return missing, err
	}
	return s.openReplicas(ctx, heard, info)
}

// maker is the server that makes the streams: the one that fills them, or the
// first by name.
func maker(heard map[string]hello) string {
	for name, h := range heard {
		if h.Grows {
			return name
		}
	}
	return slices.Min(slices.Collect(maps.Keys(heard)))
}

// openReplicas takes the streams of a log that is there.
func (s *Store) openReplicas(ctx context.Context, heard map[string]hello, info *jetstream.StreamInfo) (missing string, err error) {
	for name, stream := range map[string]*jetstream.Stream{
		s.cfg.logStream(): &s.log, s.cfg.authStream(): &s.auth, s.cfg.refusedStream(): &s.refused,
	} {
		got, err := s.lookBriefly(ctx, name)
		if errors.Is(err, errNobody) || err == nil && got == nil {
			return s.told(heard) + ", and stream " + name + " has no leader", nil
		}
		if err != nil {
			return "", err
		}
		if *stream, err = s.js.Stream(ctx, name); err != nil {
			return s.told(heard) + ", and stream " + name + " has no leader", nil //nolint:nilerr // asked again
		}
	}
	s.used.Store(int64(info.State.Bytes))
	s.tail.know(info.State.LastSeq)
	s.found = Existing
	if info.State.LastSeq == 0 {
		s.found = Genesis
	}
	return "", nil
}

// errNobody: no leader answers for a stream or for all streams.
var errNobody = errors.New("nobody answers for it")

// lookBriefly is lookUp that takes silence for errNobody. A stream that does not
// exist is nil.
func (s *Store) lookBriefly(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	brief, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	info, err := s.lookUp(brief, name)
	switch {
	case err == nil:
		return info, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("natslog: look for stream %s: %w", name, context.Cause(ctx))
	}
	// Also an error of the server: there are codes for no leader, for too few
	// peers, for a server that is starting. All pass, and none is an answer.
	return nil, fmt.Errorf("%w: %w", errNobody, err)
}

// makeStreams makes all streams, or finds that another server did.
func (s *Store) makeStreams(ctx context.Context) (*jetstream.StreamInfo, error) {
	for _, cfg := range []jetstream.StreamConfig{s.authConfig(), s.refusedConfig(), s.logConfig()} {
		if err := s.make(ctx, cfg); err != nil {
			return nil, err
		}
	}
	return s.lookBriefly(ctx, s.cfg.logStream())
}

// makeWait bounds one request to make a stream. Its leader may go while it does, and
// then nobody answers; asking again finds what was made.
const makeWait = 2 * time.Second

func (s *Store) make(ctx context.Context, cfg jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, makeWait)
	defer cancel()
	_, err := s.ensure(ctx, cfg)
	return err
}

// logLost tells a log that is gone from one that has not begun: with every
// listed server there, one of them not empty, and no stream.
func (s *Store) logLost(heard map[string]hello) error {
	if len(heard) < len(s.cfg.Peers) {
		return nil
	}
	mark, anchored := s.anchor.get()
	if !anchored {
		return nil
	}
	return fmt.Errorf("natslog: open %s: %w: all %d servers answer and none has stream %s; position %d is anchored",
		s.cfg.Dir, store.ErrLogMissing, len(heard), s.cfg.logStream(), mark.Position)
}

// outside says that this directory holds none of the log's replicas, "" when it
// does: it waits until it is given the place of another, see [Store.Replace].
func (s *Store) outside(info *jetstream.StreamInfo) string {
	members := members(info)
	if info.Cluster == nil || slices.Contains(members, s.cfg.name()) {
		return ""
	}
	return fmt.Sprintf("not_a_member: the log's replicas are on %s, and this directory is %s; it takes the place of one when that is replaced",
		strings.Join(members, ", "), s.cfg.name())
}

func (s *Store) tellOutside(ctx context.Context, heard map[string]hello) {
	if s.cfg.Outside == nil {
		return
	}
	var others []string
	for _, name := range slices.Sorted(maps.Keys(heard)) {
		if name != s.cfg.name() {
			others = append(others, plainName(name))
		}
	}
	s.cfg.Outside(ctx, s.link, others)
}
