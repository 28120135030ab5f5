package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// A single server becomes the first of a cluster by --grow: its log, which is
// sealed, is moved aside and copied byte for byte into the log of three replicas.
// Positions, hashes and eras stay what they were, so that its projections, its
// snapshot and every bookmark go on to be good. Each step can be interrupted and
// is taken again by the next start:
//
//	log            the single server's log, sealed
//	log.single     the same, moved aside; log is a replica of the cluster's
//	log.grown      the same when the cluster has gone on: not needed any more

var (
	// ErrNotSealed: a log that is to be copied still takes commands.
	ErrNotSealed = errors.New("log_not_sealed: the log of this directory is not sealed")
	// ErrNotSingle: there is no single server's log to grow from.
	ErrNotSingle = errors.New("not_single: this directory holds no log of a single server")
)

// ErrGrowing: the log of this directory is being copied into a cluster.
var ErrGrowing = errors.New("growth_unfinished: the log of this directory is aside, to be copied into a cluster")

// checkGrown refuses a directory whose growth was cut off: without its log it would
// seem to have lost it, and with it nobody would resume that.
func (d *directory) checkGrown() error {
	aside, err := exists(d.singleDir())
	if err == nil && aside {
		err = fmt.Errorf("%w: %s (allowed: --grow beside --route and --peers, as before, which does the rest)", ErrGrowing, d.singleDir())
	}
	return err
}

func (d *directory) singleDir() string { return filepath.Join(d.path, "log.single") }
func (d *directory) grownDir() string  { return filepath.Join(d.path, "log.grown") }

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// prepareGrowth moves a sealed log aside, if that is not done yet. It returns
// false when the log was copied before and there is nothing left to do.
func (s *server) prepareGrowth(ctx context.Context) (grows bool, err error) {
	aside, err := exists(s.dir.singleDir())
	if err != nil {
		return false, err
	}
	if aside {
		return true, s.readGrownEra()
	}
	if done, err := exists(s.dir.grownDir()); err != nil || done {
		return false, err
	}
	if there, err := exists(filepath.Join(s.dir.logDir(), "anchor")); err != nil || !there {
		return false, errors.Join(err, fmt.Errorf("%w: %s (allowed: the data directory of the server that is to grow)", ErrNotSingle, s.dir.path))
	}
	if err := s.checkSealed(ctx); err != nil {
		return false, err
	}
	if err := os.Rename(s.dir.logDir(), s.dir.singleDir()); err != nil {
		return false, fmt.Errorf("move the log aside: %w", err)
	}
	s.log.Info("the log is moved aside, to be copied into the cluster", "from", s.dir.singleDir())
	return true, errors.Join(syncPath(s.dir.path), s.readGrownEra())
}

// readGrownEra takes the era of the log that is copied: the cluster's is of the
// same one, which names its streams.
func (s *server) readGrownEra() error {
	mark, anchored, err := natslog.ReadAnchor(s.dir.singleDir())
	if err == nil && !anchored {
		err = fmt.Errorf("%w: %s has no anchor", ErrNotSingle, s.dir.singleDir())
	}
	s.grownEra = mark.Era
	return err
}

// openSingle opens the log of the single server, wherever it is.
func (s *server) openSingle(ctx context.Context, dir string) (*natslog.Store, error) {
	cfg := natslog.DefaultConfig(dir, s.cfg.Cluster)
	cfg.ServerName, cfg.Logger = s.dir.natsName(), s.log.With("component", "single log")
	return natslog.Open(ctx, cfg)
}

// checkSealed reads the whole log of the single server, verifies it, and wants it
// sealed. Nothing is written.
func (s *server) checkSealed(ctx context.Context) (err error) {
	single, err := s.openSingle(ctx, s.dir.logDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, single.Close()) }()
	sealed, err := sealedAt(ctx, single)
	if err == nil && sealed == 0 {
		err = fmt.Errorf("%w: %s (allowed: one that `omnirelay mesh log seal` was run on; start the server without --peers and --grow, seal it, stop it)",
			ErrNotSealed, s.dir.logDir())
	}
	return err
}

// sealedAt is the position of the seal that is in force, 0 without one.
func sealedAt(ctx context.Context, log store.Log) (sealed events.Position, err error) {
	last, err := log.Last(ctx)
	if err != nil || last == 0 {
		return 0, err
	}
	var at store.Mark
	end := errors.New("read to the end")
	err = log.Follow(ctx, 1, func(m store.Message) error {
		frame, next, err := at.Verify(m)
		if err != nil {
			return err
		}
		at = next
		_ = events.Each(frame, func(r events.Recorded) error { // fn never fails
			switch r.Event.GetKind().(type) {
			case *eventsv1.Event_LogSealed:
				sealed = r.Position
			case *eventsv1.Event_LogResumed:
				sealed = 0
			}
			return nil
		})
		if m.Sequence == last {
			return end
		}
		return nil
	})
	if errors.Is(err, end) {
		err = nil
	}
	return sealed, err
}

// grow copies the single server's log into the cluster's, which nobody else takes
// before that is done.
func (s *server) grow(ctx context.Context) (err error) {
	filling, err := s.store.Filling(ctx)
	if err != nil || !filling {
		return err
	}
	if err := s.copySingle(ctx); err != nil {
		return err
	}
	return s.store.Grown(ctx)
}

func (s *server) copySingle(ctx context.Context) (err error) {
	single, err := s.openSingle(ctx, s.dir.singleDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, single.Close()) }()
	began := time.Now()
	what := "copying the log of the single server into the cluster"
	s.waits.Store(&what)
	defer s.waits.Store(nil)
	mark, err := archive.Copy(ctx, single, s.store)
	if err != nil {
		return fmt.Errorf("copy the log of the single server: %w", err)
	}
	s.log.Info("the log is copied into the cluster", "position", uint64(mark.Position), "frames", mark.Sequence,
		"head", mark.Hash.String(), "took", time.Since(began).Round(time.Millisecond))
	return s.store.Anchor(mark)
}

// resumeEvery is the pause between two attempts to resume a log that has grown.
const resumeEvery = 200 * time.Millisecond

// resumeGrown takes the seal away as soon as somebody leads the cluster: where the
// log was copied from nobody goes on. Then nothing of the growth is left to do.
func (s *server) resumeGrown(ctx context.Context) error {
	resumed := until(ctx, resumeEvery, func() bool {
		if _, known := s.election.Leader(); !known {
			return false
		}
		if s.seq.View().Model.Control.Sealed == 0 {
			return true
		}
		_, err := s.forward.Submit(ctx, commands.Request{
			Actor: serverActor(s.cfg.Name), Command: control.Unseal{},
			Reason: fmt.Sprintf("the log has grown to %d servers", len(s.cfg.Peers)),
		})
		if err != nil {
			s.log.Debug("the log is not resumed yet", "error", err)
		}
		return false
	})
	if !resumed {
		return nil
	}
	if err := os.Rename(s.dir.singleDir(), s.dir.grownDir()); err != nil {
		return fmt.Errorf("put the single server's log away: %w", err)
	}
	if err := syncPath(s.dir.path); err != nil {
		return err
	}
	s.log.Info("the cluster goes on where the single server ended; its log is not needed any more", "at", s.dir.grownDir())
	<-ctx.Done()
	return nil
}
