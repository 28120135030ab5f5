package natslog

import (
	"context"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/store"
)

// shortage tells a log that has lost its end from one whose leader has not come that
// far yet.
type shortage struct {
	since time.Time
	// from is the log's end then.
	from uint64
	// heard are the answers of servers while the log ended at end.
	end   uint64
	heard map[string]framesAnswer
}

// lasts takes what the leader says now, and returns for how long it has shown an
// end before what is known.
func (s *shortage) lasts(last, known uint64) time.Duration {
	switch {
	case last >= known:
		*s = shortage{}
		return 0
	case s.since.IsZero():
		s.since, s.from = time.Now(), last
	}
	return time.Since(s.since)
}

// hear takes answers, and returns them with those of servers that are gone since and
// had nothing to put back: the first that gives up must not silence the others.
func (s *shortage) hear(end uint64, answers []framesAnswer) []framesAnswer {
	if s.heard == nil || s.end != end {
		s.end, s.heard = end, map[string]framesAnswer{}
	}
	here := map[string]bool{}
	for _, a := range answers {
		here[a.Server] = true
		s.heard[a.Server] = a
	}
	for name, a := range s.heard {
		if !here[name] && a.Held <= end {
			answers = append(answers, a)
		}
	}
	return answers
}

// lostAfter is how many times ShortWithin the messages have to be missing, with all
// servers heard, until they count as lost for good.
const lostAfter = 10

// reach returns when the log reaches what this server knows to be stored; it puts
// back what is missing, or says on whom it is. There is no other bound: the others
// may be down for long.
func (s *Store) reach(ctx context.Context) error {
	var short shortage
	for {
		known := s.tail.last()
		last, err := s.Last(ctx)
		if err == nil && last >= known {
			s.shortIs(0, "")
			return nil
		}
		what := fmt.Sprintf("message %d was stored, and the log ends at message %d", known, last)
		if err != nil {
			short.since, what = time.Time{}, fmt.Sprintf("nobody says how far the log reaches: %v", err)
		} else if short.lasts(last, known) >= s.cfg.ShortWithin {
			if what, err = s.heal(ctx, &short); err != nil {
				return err
			}
			s.shortIs(known-last, what)
		}
		s.cfg.waiting(what)
		if err := s.pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// watchTail is reach for a store that is in use, until ctx ends.
func (s *Store) watchTail(ctx context.Context) error {
	var short shortage
	for {
		if s.pause(ctx, min(watchInterval, s.cfg.ShortWithin/4)) != nil {
			return nil
		}
		known := s.tail.last()
		last, err := s.Last(ctx)
		if err != nil {
			short.since = time.Time{} // nobody answers
			continue
		}
		lasts := short.lasts(last, known)
		if lasts < s.cfg.ShortWithin {
			if lasts == 0 {
				s.shortIs(0, "")
			}
			continue
		}
		s.shortIs(known-last, fmt.Sprintf("the log ends at message %d, and message %d was stored", last, known))
		what, err := s.heal(ctx, &short)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if what != "" {
			s.shortIs(known-last, what)
		}
	}
}

// shortIs keeps how many messages are missing: while some are, nothing is published.
func (s *Store) shortIs(messages uint64, what string) {
	s.short.Store(messages)
	s.metrics.short.Set(float64(messages))
	if what != "" {
		what = store.ErrLogTruncated.Error() + ": " + what
	}
	s.tellShort(what)
}

// ConfirmEnd returns nil when a majority of servers knows of no message behind the
// log's end. Whoever is to sequence asks before: a server whose disks forgot the end
// together with its anchor would use positions again. What it hears of is from then
// on known here too, so that Guard puts it back.
func (s *Store) ConfirmEnd(ctx context.Context) error {
	if !s.cfg.clustered() {
		return nil
	}
	majority := len(s.cfg.Peers)/2 + 1
	for {
		last, err := s.Last(ctx)
		if err == nil {
			var answers []framesAnswer
			answers, err = s.askAccounts(ctx, last+1, func(n int) bool { return n >= majority })
			for _, a := range answers {
				s.tail.know(a.Known)
			}
			if err == nil && len(answers) < majority {
				err = fmt.Errorf("%d of %d servers say how far the log reaches", len(answers), len(s.cfg.Peers))
			}
			if known := s.tail.last(); err == nil && known > last {
				err = fmt.Errorf("%w: it ends at message %d, message %d was stored", store.ErrLogTruncated, last, known)
			}
		}
		if err == nil {
			return nil
		}
		if werr := s.pause(ctx, helloEvery); werr != nil {
			return fmt.Errorf("natslog: confirm the log's end: %w", err)
		}
	}
}
