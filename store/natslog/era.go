package natslog

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// The era names the log's stream. A cluster whose log was restored before it grew
// is of a later era than the first, and a server that is new to it can only hear
// of that from the others.

// chooseEra takes the anchor's era if the caller names none, or that of the files;
// a single server begins with 1, one of several asks the others, see learnEra.
func (s *Store) chooseEra() error {
	mark, anchored := s.anchor.get()
	if anchored && s.cfg.Era != 0 && mark.Era != s.cfg.Era {
		return fmt.Errorf("natslog: open %s: the anchor is of era %d, era %d was asked for", s.cfg.Dir, mark.Era, s.cfg.Era)
	}
	if s.cfg.Era == 0 && anchored {
		s.cfg.Era = mark.Era
	}
	if s.cfg.Era == 0 && s.cfg.clustered() {
		var err error
		if s.cfg.Era, err = s.eraOfFiles(); err != nil {
			return err
		}
	}
	s.era.Store(s.cfg.Era)
	if s.cfg.Era != 0 {
		return nil
	}
	s.cfg.Era = 1
	if !s.cfg.clustered() {
		s.era.Store(1)
	}
	return nil
}

// eraOfFiles is the era of the stream in the directory, 0 when there is none: a
// replica is there before its first anchor.
func (s *Store) eraOfFiles() (uint64, error) {
	prefix := fmt.Sprintf("MESH_%s_", s.cfg.Cluster)
	streams, err := jsfile.Streams(s.cfg.Dir)
	if err != nil {
		return 0, err
	}
	var found uint64
	for _, stream := range streams {
		number, ours := strings.CutPrefix(stream, prefix)
		era, err := strconv.ParseUint(number, 10, 64)
		switch {
		case !ours || err != nil: // the register, or the refusals
		case found != 0:
			return 0, fmt.Errorf("natslog: open %s: it has streams of the eras %d and %d, and no anchor says which is the log (allowed: one)", s.cfg.Dir, found, era)
		default:
			found = era
		}
	}
	return found, nil
}

// learnEra takes the era from a server that knows it, if this one does not. With
// every listed server there and none that does, a log may begin, with era 1.
func (s *Store) learnEra(ctx context.Context, empty bool) error {
	for s.era.Load() == 0 {
		heard, err := s.askHello(ctx, empty)
		if err != nil {
			return err
		}
		if err := s.disagree(heard); err != nil {
			return err
		}
		var era uint64
		for _, h := range heard {
			era = max(era, h.Era)
		}
		if era == 0 && len(heard) >= len(s.cfg.Peers) {
			era = 1
		}
		if era != 0 {
			s.cfg.Era, s.files = era, s.filesOf(era)
			s.era.Store(era)
			return nil
		}
		missing := s.told(heard) + ", and none of them has seen the log: it begins when all answer and all are empty"
		s.cfg.waiting(missing)
		if err := s.pause(ctx, helloEvery); err != nil {
			return fmt.Errorf("natslog: open %s: %s: %w", s.cfg.Dir, missing, context.Cause(ctx))
		}
	}
	return nil
}

// filesOf are the files of the log of an era.
func (s *Store) filesOf(era uint64) jsfile.Blocks {
	cfg := s.cfg
	cfg.Era = era
	return jsfile.Log(cfg.Dir, cfg.logStream())
}
