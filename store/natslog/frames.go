package natslog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// framesKind is the kind of request by which servers ask each other how far the log
// reaches, and for messages that it has lost.
const framesKind = "frames"

// framesRequest asks a server what it holds from a sequence on.
type framesRequest struct {
	From uint64 `cbor:"1,keyasint"`
	// Bytes: the messages too, as many as an answer holds.
	Bytes bool `cbor:"2,keyasint"`
}

// framesAnswer is what a server knows and holds.
type framesAnswer struct {
	Server string `cbor:"1,keyasint"`
	// Known is the last message that it knows to be stored. Mark, Position and Hash
	// are its anchor's, an earlier one perhaps.
	Known    uint64   `cbor:"2,keyasint"`
	Mark     uint64   `cbor:"3,keyasint"`
	Position uint64   `cbor:"4,keyasint"`
	Hash     [32]byte `cbor:"5,keyasint"`
	// Held is the last message that it holds, without a gap from the first that was
	// asked for; less than that when it does not hold it.
	Held uint64 `cbor:"6,keyasint"`
	// Frames are the messages from the first that was asked for.
	Frames [][]byte `cbor:"7,keyasint"`
	// Era of the log that this is about.
	Era uint64 `cbor:"8,keyasint"`
}

// answerBytes bounds the messages of one answer; the first is in it in any case.
const answerBytes = events.MaxFrameBytes

// serveFrames lets the other servers ask.
func (s *Store) serveFrames() error {
	return s.link.Serve(framesKind, func(_ context.Context, request []byte) []byte {
		var r framesRequest
		if err := cbor.Unmarshal(request, &r); err != nil {
			return nil
		}
		a, err := s.account(r)
		if err != nil {
			s.cfg.logger().Warn("what this server holds of the log cannot be read", "error", err)
		}
		b, err := cbor.Marshal(a)
		if err != nil {
			return nil
		}
		return b
	})
}

// account is what this server knows and holds.
func (s *Store) account(r framesRequest) (framesAnswer, error) {
	mark, _ := s.anchor.get()
	a := framesAnswer{
		Server: s.link.name, Era: s.cfg.Era, Known: max(s.tail.last(), mark.Sequence),
		Mark: mark.Sequence, Position: uint64(mark.Position), Hash: mark.Hash,
	}
	if r.From == 0 || r.From > a.Known {
		return a, nil
	}
	size := 0
	next, err := s.held(r.From, func(data []byte) bool {
		if r.Bytes && len(a.Frames) > 0 && size+len(data) > answerBytes {
			return false
		}
		if r.Bytes {
			size += len(data)
			a.Frames = append(a.Frames, slices.Clone(data))
		}
		return true
	})
	a.Held = next - 1
	return a, err
}

// held calls fn with the messages from a sequence on that this server has itself:
// in memory, in its files, or in the copies that were made before they were opened.
// It returns the sequence after the last that fn took.
func (s *Store) held(from uint64, fn func(data []byte) bool) (next uint64, err error) {
	next, more := from, true
	for more {
		before := next
		batch := make([]store.Message, tailBatch)
		if n := s.tail.peek(next, batch); n > 0 {
			for _, m := range batch[:n] {
				if more = fn(m.Data); !more {
					return next, nil
				}
				next++
			}
			continue
		}
		for _, files := range []jsfile.Blocks{s.files, salvageFiles(s.cfg.Dir, s.cfg.logStream())} {
			err := files.After(next, func(m store.Message) bool {
				if more = fn(m.Data); more {
					next++
				}
				return more
			})
			if err != nil || !more {
				return next, err
			}
		}
		more = next != before
	}
	return next, nil
}

// accountWait bounds one round of asking.
const accountWait = time.Second

// askAccounts asks all servers that can be reached what they hold from a sequence
// on, this one included, and returns when all have answered or accountWait is over;
// enough ends it before.
func (s *Store) askAccounts(ctx context.Context, from uint64, enough func(n int) bool) ([]framesAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, accountWait)
	defer cancel()
	own, err := s.account(framesRequest{From: from})
	if err != nil {
		return nil, err
	}
	others := s.link.reachable()
	came := make(chan framesAnswer, len(others))
	var asking sync.WaitGroup
	for _, server := range others {
		asking.Go(func() {
			if a, err := s.askFrames(ctx, server, framesRequest{From: from}); err == nil && a.Era == s.cfg.Era {
				came <- a
			}
		})
	}
	go func() { asking.Wait(); close(came) }() // ends with ctx
	answers := []framesAnswer{own}
	for a := range came {
		if answers = append(answers, a); enough(len(answers)) {
			break
		}
	}
	return answers, nil
}

func (s *Store) askFrames(ctx context.Context, server string, r framesRequest) (a framesAnswer, err error) {
	if server == s.link.name {
		return s.account(r)
	}
	request, err := cbor.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("natslog: ask %s for messages: %w", server, err)
	}
	answer, err := s.link.Ask(ctx, server, framesKind, request)
	if err != nil {
		return a, err
	}
	if err := cbor.Unmarshal(answer, &a); err != nil || a.Server == "" {
		return a, fmt.Errorf("natslog: ask %s for messages: unreadable answer: %w", server, err)
	}
	return a, nil
}
