package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// told is what the callers of one key were told in the end.
type told struct {
	position events.Position // 0 while nobody was told that it is done
	open     bool            // somebody was told that it may be
}

// TestForwardFaults: over a network that loses, delays and breaks, and while the
// leader changes, what is answered as done is on the log once at that position
// (A1), what was never more than refused is not there, and a key has at most one
// effect whichever servers it was tried at (A2).
func TestForwardFaults(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t)
				defer m.close()
				servers := []*server{m.s1, m.s2, m.server("s3"), m.server("s4")}
				rnd := &dice{rnd: rand.New(rand.NewPCG(seed, 1))}
				m.net.set(func(string) delivery { return rnd.delivery() })
				outcomes := make([]told, 120)
				var all sync.WaitGroup
				for c := range 12 {
					all.Go(func() {
						for i := c; i < len(outcomes); i += 12 {
							outcomes[i] = insist(t, rnd, servers, i)
						}
					})
				}
				waitTimer(time.Duration(rnd.int(300)) * time.Millisecond)
				m.says("") // the old one is still asked by those who are late
				m.s1.end()
				m.lead(servers[2])
				m.says("s3")
				all.Wait()
				checkTold(t, m, outcomes)
			})
		})
	}
}

// insist tries a key at one server after the other, until one says what became of
// it, some few times.
func insist(t *testing.T, rnd *dice, servers []*server, i int) (o told) {
	r := label(fmt.Sprint(i))
	r.Key, r.Hash = keyAt(time.Now().UnixNano(), byte(i)), events.Hash{byte(i)}
	for range 1 + rnd.int(6) {
		receipt, err := attempt(rnd, servers[rnd.int(len(servers))], r)
		var rejected *commands.Rejected
		switch {
		case err == nil && o.position != 0 && receipt.Position != o.position:
			t.Errorf("key %d is done at %d and at %d", i, o.position, receipt.Position)
		case err == nil:
			o.position = receipt.Position
			if rnd.int(2) == 0 { // or is asked for once more
				return o
			}
		case errors.Is(err, sequencer.ErrOutcomeUnknown):
			o.open = true
		case errors.As(err, &rejected):
			t.Errorf("key %d: %v", i, err)
		}
	}
	return o
}

func attempt(rnd *dice, s *server, r commands.Request) (commands.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+rnd.int(400))*time.Millisecond)
	defer cancel()
	return s.forward.Submit(ctx, r)
}

// checkTold compares what callers were told with the log.
func checkTold(t *testing.T, m *mesh, outcomes []told) {
	m.net.running.Wait()
	waitTimer(time.Second)
	stored := map[byte][]events.Position{} // by key
	for _, msg := range m.log.Messages(1, 100_000) {
		f := frameOf(t, msg.Data)
		at := events.Position(f.First) - 1
		for _, d := range f.Decisions {
			at += events.Position(len(d.Events))
			if k := d.Meta.IdempotencyKey; len(k) > 0 {
				stored[k[15]] = append(stored[k[15]], at)
			}
		}
	}
	done, open := 0, 0
	for i, o := range outcomes {
		at := stored[byte(i)]
		switch {
		case len(at) > 1:
			t.Errorf("key %d is stored at %v", i, at)
		case o.position != 0 && (len(at) != 1 || at[0] != o.position):
			t.Errorf("key %d is done at %d, and stored at %v", i, o.position, at)
		case o.position == 0 && !o.open && len(at) > 0:
			t.Errorf("key %d was always refused, and is stored at %v", i, at)
		}
		done += count(o.position != 0)
		open += count(o.open)
	}
	if done < len(outcomes)/4 || open == 0 {
		t.Errorf("%d done, %d once open: this shows nothing", done, open)
	}
}

// dice are shared by the goroutines of a test.
type dice struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func (d *dice) int(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.IntN(n)
}

// delivery is mostly a good one. NATS delivers nothing twice.
func (d *dice) delivery() delivery {
	how := delivery{before: time.Duration(d.int(20)) * time.Millisecond, after: time.Duration(d.int(20)) * time.Millisecond}
	switch d.int(12) {
	case 0:
		how.lost = true
	case 1:
		how.unanswered = true
	case 2:
		how.unreachable = true
	case 3:
		how.garbled = true
	case 4:
		how.before *= 20
	case 5:
		how.after *= 20
	}
	return how
}
