package natslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// JetStream can lose what it has acknowledged: two servers of three that come back
// without the end of their files elect each other, and the third follows them. The
// log is then shorter than what servers know to be stored: by their anchors, by what
// they follow, or by their own files. Nothing may be sequenced then, because its
// positions are taken. The messages are put back byte for byte, each expecting the
// one before, so that it does no harm if several servers do so at a time, or if the
// log was whole after all.

// heal makes one attempt to put back what is missing. It returns what it waits for,
// "" when nothing is missing; an error when the messages are lost for good.
func (s *Store) heal(ctx context.Context, short *shortage) (waits string, err error) {
	refuted := map[string]bool{}
	for {
		end, err := s.Last(ctx)
		if err != nil {
			return err.Error(), nil //nolint:nilerr // asked again
		}
		answers, err := s.askAccounts(ctx, end+1, func(n int) bool { return n == len(s.cfg.Peers) })
		if err != nil {
			return "", err
		}
		answers = short.hear(end, answers)
		do, from, why := plan(s.situation(end, answers, refuted))
		switch {
		case do == whole:
			return "", nil
		case do == lost && time.Since(short.since) >= lostAfter*s.cfg.ShortWithin:
			return "", s.lostFor(ctx, end, why)
		case do != putBack:
			return why, nil
		}
		s.cfg.logger().Error("the log has lost its end; putting back what a server holds", "missing", why, "from", from)
		err = s.putBack(ctx, from, end, short.from, answers)
		var broken *brokenError
		if errors.As(err, &broken) {
			s.cfg.logger().Error("what a server holds does not continue the log", "server", from, "error", err)
			refuted[from] = true
			continue
		}
		if err != nil {
			return fmt.Sprintf("%s; putting back what %s holds: %v", why, from, err), nil
		}
	}
}

func (s *Store) situation(end uint64, answers []framesAnswer, refuted map[string]bool) situation {
	sit := situation{Servers: len(s.cfg.Peers), End: end}
	for _, a := range answers {
		sit.Accounts = append(sit.Accounts, account{Server: a.Server, Known: a.Known, Held: a.Held, Refuted: refuted[a.Server]})
	}
	return sit
}

// lostFor is the error of messages that nobody has.
func (s *Store) lostFor(ctx context.Context, end uint64, why string) error {
	e := &CorruptError{File: s.files.Dir, Offset: -1, Sequence: end + 1, Problem: why, Opened: true, Err: store.ErrLogTruncated}
	if head, err := s.headAt(ctx, end); err == nil {
		e.Position = head.Position + 1
	}
	return e
}

// brokenError: what a server holds does not continue the log.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }

// headAt is the head of the log after a message; the zero head before the first.
func (s *Store) headAt(ctx context.Context, sequence uint64) (events.Head, error) {
	if sequence == 0 {
		return events.Head{}, nil
	}
	m, err := s.ask(ctx, sequence)
	if err != nil {
		return events.Head{}, err
	}
	return events.HeadOf(m.Data)
}

// healBytes bounds the messages that are verified before they are put back; there
// may be another round.
const healBytes = 64 << 20

// putBack appends what a server holds behind the log's end, if it continues the log
// and no server knows it otherwise. The log ended at began when that was noticed:
// others may have put back some since.
func (s *Store) putBack(ctx context.Context, from string, end, began uint64, answers []framesAnswer) error {
	head, err := s.headAt(ctx, end)
	if err != nil {
		return err
	}
	before, err := s.headAt(ctx, min(began, end))
	if err != nil {
		return err
	}
	frames, head, err := s.fetch(ctx, from, end, head, answers)
	if err == nil && len(frames) == 0 {
		err = errors.New("it does not hold them any more")
	}
	if err != nil {
		return err
	}
	record := Healed{
		First: before.Position + 1, Last: head.Position, Hash: head.Hash, From: from,
		Messages: end + uint64(len(frames)) - min(began, end), Sequence: end + uint64(len(frames)),
	}
	if err := s.noteHealing(record); err != nil {
		return err
	}
	for i, data := range frames {
		if err := s.append(ctx, end+uint64(i), data); err != nil {
			return err
		}
	}
	s.metrics.healed.Add(float64(len(frames)))
	s.countUsed(ctx)
	s.cfg.logger().Error("the end that the log had lost is back", "from", from, "messages", record.Messages,
		"first", uint64(record.First), "last", uint64(record.Last), "hash", record.Hash.String())
	return nil
}

// fetch takes the messages behind the log's end from a server and verifies them.
// They are as many as continue the log, one at least.
func (s *Store) fetch(ctx context.Context, from string, end uint64, head events.Head, answers []framesAnswer) ([][]byte, events.Head, error) {
	var frames [][]byte
	for size := 0; size < healBytes; {
		answer, err := s.askBytes(ctx, from, end+uint64(len(frames))+1)
		if err != nil {
			return nil, head, err
		}
		if len(answer) == 0 {
			return frames, head, nil
		}
		for _, data := range answer {
			at := end + uint64(len(frames)) + 1
			next, err := head.After(data)
			if err == nil {
				err = contradicts(at, next.Hash, answers)
			}
			if err != nil && len(frames) == 0 {
				return nil, head, &brokenError{fmt.Errorf("message %d: %w", at, err)}
			}
			if err != nil {
				return frames, head, nil //nolint:nilerr // up to here it does; the rest is looked at again
			}
			head, size = next, size+len(data)
			frames = append(frames, data)
		}
	}
	return frames, head, nil
}

func (s *Store) askBytes(ctx context.Context, server string, from uint64) ([][]byte, error) {
	ctx, cancel := s.request(ctx)
	defer cancel()
	a, err := s.askFrames(ctx, server, framesRequest{From: from, Bytes: true})
	return a.Frames, err
}

// contradicts reports a server that has anchored another hash at a message.
func contradicts(at uint64, hash events.Hash, answers []framesAnswer) error {
	for _, a := range answers {
		if a.Mark == at && a.Hash != [32]byte{} && a.Hash != [32]byte(hash) {
			return fmt.Errorf("it has hash %s, and %s has anchored %s", hash, a.Server, events.Hash(a.Hash))
		}
	}
	return nil
}

// append stores a message directly after another, or finds that it is stored.
func (s *Store) append(ctx context.Context, expect uint64, data []byte) error {
	for {
		_, err := s.requests.publish(ctx, publication{subject: s.cfg.logSubject(), expect: expect, data: data}, s.cfg.ackTimeout())
		if err == nil {
			return nil
		}
		m, lerr := s.ask(ctx, expect+1)
		switch {
		case lerr == nil && bytes.Equal(m.Data, data):
			return nil
		case lerr == nil:
			return fmt.Errorf("another message %d was stored meanwhile", expect+1)
		}
		if werr := s.pause(ctx, retryLeast); werr != nil {
			return errors.Join(err, werr)
		}
	}
}

// countUsed takes JetStream's count of the log's bytes.
func (s *Store) countUsed(ctx context.Context) {
	ctx, cancel := s.request(ctx)
	defer cancel()
	if info, err := s.log.Info(ctx); err == nil {
		s.used.Store(int64(info.State.Bytes))
	}
}
