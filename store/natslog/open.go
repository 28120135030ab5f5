package natslog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/embedded"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// Open takes the directory, verifies what it holds, and starts the embedded
// server. The store is non-nil if and only if the error is nil. Errors that a
// caller can act on: store.ErrLocked, store.ErrLogMissing, store.ErrLogTruncated,
// ErrCorrupt; after them no message file has been changed.
func Open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{
		cfg:     cfg,
		tail:    newTail(cfg.TailBytes, cfg.TailFrames),
		unsure:  make(chan struct{}, 1),
		closing: make(chan struct{}),
		metrics: newMetrics(cfg.Metrics),
	}
	s.life, s.endLife = context.WithCancel(context.WithoutCancel(ctx))
	s.link = newLink(s)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	last, err := s.prepare()
	if err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if err := s.takeLog(ctx, last); err != nil {
		return nil, err
	}
	if err := s.verifyMarks(ctx); err != nil {
		return nil, err
	}
	s.loops.Go(s.syncAnchor)
	s.loops.Go(s.watchEnd)
	return s, nil
}

// takeLog opens the streams; last is the sequence of the last message in this
// directory's files.
func (s *Store) takeLog(ctx context.Context, last uint64) error {
	if !s.cfg.clustered() {
		if err := s.openStreams(ctx, last); err != nil {
			return err
		}
		s.tail.know(last)
		return nil
	}
	mark, anchored := s.anchor.get()
	empty := last == 0 && !anchored && s.cfg.Known.Sequence == 0 && !s.cfg.Used
	s.tail.know(max(last, mark.Sequence, s.cfg.Known.Sequence))
	if err := s.serveHello(empty); err != nil {
		return err
	}
	// Before anything else goes on beside this: what is asked for has the era in it.
	if err := s.learnEra(ctx, empty); err != nil {
		return err
	}
	s.loops.Go(s.link.watchRoutes)
	if err := s.link.subscribe(s.cfg.storedSubject(), s.noticed); err != nil {
		return err
	}
	if err := errors.Join(s.serveFrames(), s.link.Serve(membersKind, s.sayMembers)); err != nil {
		return err
	}
	return s.joinCluster(ctx, empty)
}

// prepare locks the directory and looks at its files before the server may touch
// them. It returns the sequence of the last message.
func (s *Store) prepare() (uint64, error) {
	err := os.MkdirAll(s.cfg.Dir, 0o750)
	if err != nil {
		return 0, fmt.Errorf("natslog: create %s: %w", s.cfg.Dir, err)
	}
	if s.lock, err = lockDir(s.cfg.Dir); err != nil {
		return 0, err
	}
	if s.anchor, err = openAnchor(s.cfg.Dir); err != nil {
		return 0, err
	}
	if err := s.chooseEra(); err != nil {
		return 0, err
	}
	s.files = s.filesOf(s.cfg.Era)
	if err := s.checkKind(); err != nil {
		return 0, err
	}
	if err := jsfile.Check(s.cfg.Dir); err != nil {
		return 0, err
	}
	return s.readLog()
}

// readLog verifies the log's files, and copies a replica's newest aside. It returns
// the sequence of the last message, in files or copies.
func (s *Store) readLog() (uint64, error) {
	stop, err := readStopMark(s.cfg.Dir, s.cfg.logStream())
	if err != nil {
		return 0, err
	}
	found, err := s.inspect(stop)
	if err != nil {
		return 0, err
	}
	s.unscrubbed = len(found.Skipped) > 0
	s.unread = &jsfile.Unread{}
	// JetStream may write a replica's files anew, from the others: what was not read
	// now is for the scrub then.
	if !s.cfg.clustered() {
		if s.unread, err = s.files.Unread(found); err != nil {
			return 0, err
		}
	}
	s.found = Existing
	if found.Last == 0 {
		s.found = Genesis
	}
	last := found.Last
	if s.cfg.clustered() {
		if last, err = s.salvage(found.Last); err != nil {
			return 0, err
		}
		if err := s.readHealing(); err != nil {
			return 0, err
		}
	}
	if mark, _ := s.anchor.get(); found.Last < mark.Sequence {
		s.cfg.logger().Warn("this server's copy of the log ends before what was known to be stored; the other servers have to bring the rest",
			"dir", s.files.Dir, "message", found.Last, "anchored", mark.Sequence)
	}
	return last, removeStopMark(s.cfg.Dir)
}

// inspect reads the files and tells a log that is gone from one that is cut.
func (s *Store) inspect(stop *jsfile.Stop) (jsfile.Inspection, error) {
	mark, _ := s.anchor.get()
	floor := max(mark.Sequence, s.cfg.Known.Sequence)
	if s.cfg.clustered() {
		// What is missing at the end comes from raft's own log, or from the others:
		// a replica syncs its files later than that.
		floor = 0
	}
	blocks, err := s.files.List()
	if err != nil {
		return jsfile.Inspection{}, err
	}
	if stop != nil {
		floor = max(floor, stop.Last)
	}
	var size int64
	for _, b := range blocks {
		size += b.Size
	}
	if size == 0 && floor > 0 {
		return jsfile.Inspection{}, fmt.Errorf("natslog: open %s: %w: message %d was stored in %s, position %d is anchored",
			s.cfg.Dir, store.ErrLogMissing, floor, s.files.Dir, mark.Position)
	}
	found, err := s.files.Inspect(floor, stop)
	var damaged *CorruptError
	if errors.As(err, &damaged) && damaged.Sequence == mark.Sequence+1 && damaged.Position == 0 && mark.Position > 0 {
		damaged.Position = mark.Position + 1
	}
	if err == nil && size > s.cfg.MaxLogBytes {
		// JetStream would remove the oldest messages to obey.
		err = fmt.Errorf("natslog: open %s: MaxLogBytes is %d, the log's files have %d", s.cfg.Dir, s.cfg.MaxLogBytes, size)
	}
	return found, err
}

// connect starts the server and a connection that outlives its restarts.
func (s *Store) connect() error {
	s.server = embedded.New(s.cfg.server())
	if err := s.server.Start(); err != nil {
		return fmt.Errorf("natslog: %w", err)
	}
	log := s.cfg.logger().With("component", "nats")
	s.requests = newRequests()
	conn, err := s.server.Connect(embedded.Mesh,
		nats.ReconnectBufSize(-1), // what is not sent now is not sent later
		nats.MaxReconnects(-1),
		nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectJitter(0, 0),
		nats.NoEcho(), // what this server tells the others, it knows
		nats.DisconnectErrHandler(func(*nats.Conn, error) { s.requests.disconnected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("connection to the embedded server", "error", err)
		}),
	)
	if err != nil {
		return fmt.Errorf("natslog: %w", err)
	}
	s.conn = conn
	if err := s.requests.open(conn); err != nil {
		return fmt.Errorf("natslog: %w", err)
	}
	s.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(s.cfg.AckTimeout))
	if err != nil {
		return fmt.Errorf("natslog: %w", err)
	}
	return nil
}

// loadMark loads a message that was stored. In a cluster it is asked for again
// while the replicas are not ready to answer.
func (s *Store) loadMark(ctx context.Context, m store.Mark) (store.Message, error) {
	for {
		msg, err := s.Load(ctx, m.Sequence)
		if err == nil || !s.cfg.clustered() {
			return msg, err
		}
		s.cfg.waiting(fmt.Sprintf("message %d, which was stored, is not there: %v", m.Sequence, err))
		if werr := s.pause(ctx, helloEvery); werr != nil {
			return store.Message{}, err
		}
	}
}

// verifyMarks compares what is stored with what was known to be stored.
func (s *Store) verifyMarks(ctx context.Context) error {
	defer s.cfg.waiting("")
	if s.cfg.clustered() {
		if err := s.reach(ctx); err != nil {
			return fmt.Errorf("natslog: open %s: %w", s.cfg.Dir, err)
		}
		if err := s.dropSalvage(); err != nil {
			return err
		}
	}
	mark, anchored := s.anchor.get()
	for _, m := range []store.Mark{mark, s.cfg.Known} {
		if m.Sequence == 0 || m.Hash == (events.Hash{}) {
			continue
		}
		msg, err := s.loadMark(ctx, m)
		if err != nil {
			return fmt.Errorf("natslog: verify message %d, position %d: %w", m.Sequence, m.Position, err)
		}
		if got := events.HashOf(msg.Data); got != m.Hash {
			return &CorruptError{
				File: s.files.Dir, Offset: -1, Sequence: m.Sequence, Position: m.Position, Err: ErrCorrupt,
				Problem: fmt.Sprintf("the message has hash %s, %s was stored (anchored: %t)", got, m.Hash, anchored && m == mark),
			}
		}
	}
	return nil
}
