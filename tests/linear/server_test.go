package linear

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// dice are shared by everybody who draws.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (d *dice) intN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// between waits a while, or until ctx ends.
func (d *dice) wait(ctx context.Context, lo, hi time.Duration) {
	timer := time.NewTimer(lo + time.Duration(d.intN(int(hi-lo)+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// world is the log, the register, and what goes wrong with them.
type world struct {
	*dice
	log *memlog.Log
	reg *memlog.Register
	// faults is the chance in percent that an operation goes wrong.
	faults int
}

func newWorld(seed uint64) *world {
	w := &world{dice: &dice{rng: rand.New(rand.NewPCG(seed, 0x6c696e))}, log: memlog.New(nil), reg: memlog.NewRegister(nil)}
	w.faults = []int{0, 5, 20}[w.intN(3)]
	w.log.SetFaults(func(op memlog.Op) memlog.Fault {
		if w.intN(100) >= w.faults {
			return memlog.None
		}
		if op.Kind != memlog.KindPublish {
			return memlog.Lost
		}
		return []memlog.Fault{memlog.AckLost, memlog.Lost, memlog.Delayed, memlog.SpuriousRefusal, memlog.Full}[w.intN(5)]
	})
	w.reg.SetFaults(func(memlog.Op) memlog.Fault {
		if w.intN(100) >= w.faults {
			return memlog.None
		}
		return []memlog.Fault{memlog.AckLost, memlog.Lost}[w.intN(2)]
	})
	return w
}

// deliver lets delayed frames arrive, late, until ctx ends.
func (w *world) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		w.wait(ctx, time.Millisecond, 100*time.Millisecond)
		for _, p := range w.log.Delayed() {
			if w.intN(2) == 0 {
				_ = w.log.Deliver(p.ID) // refused or stored: the log shows it
			}
		}
	}
}

// process is one life of a server: what it does takes time, and once it is
// killed nothing that it does has an effect or an answer.
type process struct {
	*world
	dead chan struct{}
}

// there is the way of an operation to the store; false when it never arrives.
func (p *process) there(ctx context.Context) bool {
	p.wait(ctx, 50*time.Microsecond, 2*time.Millisecond)
	select {
	case <-p.dead:
		return p.intN(2) == 0 // it may have been on the wire
	default:
		return ctx.Err() == nil
	}
}

// back is the way of its answer.
func (p *process) back(ctx context.Context) error {
	p.wait(ctx, 50*time.Microsecond, 2*time.Millisecond)
	select {
	case <-p.dead:
		<-ctx.Done()
	default:
	}
	return ctx.Err()
}

// onLog and onRegister are what the process sees of the store.
type onLog struct{ *process }

func (l onLog) Publish(ctx context.Context, expect uint64, data []byte) error {
	if !l.there(ctx) {
		<-ctx.Done()
		return ctx.Err()
	}
	err := l.log.TryPublish(expect, data)
	if late := l.back(ctx); late != nil {
		return late
	}
	return err
}

func (l onLog) Load(ctx context.Context, sequence uint64) (store.Message, error) {
	m, err := l.log.Load(ctx, sequence)
	if late := l.back(ctx); late != nil {
		return store.Message{}, late
	}
	return m, err
}

func (l onLog) Last(ctx context.Context) (uint64, error) { return l.log.Last(ctx) }

func (l onLog) Follow(ctx context.Context, from uint64, fn func(store.Message) error) error {
	return l.log.Follow(ctx, from, fn)
}

type onRegister struct{ *process }

func (r onRegister) Write(ctx context.Context, expect uint64, data []byte) (uint64, error) {
	if !r.there(ctx) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	version, err := r.reg.TryWrite(expect, data)
	if late := r.back(ctx); late != nil {
		return 0, late
	}
	return version, err
}

func (r onRegister) Read(ctx context.Context) (uint64, []byte, error) {
	version, data, err := r.reg.Read(ctx)
	if late := r.back(ctx); late != nil {
		return 0, nil, late
	}
	return version, data, err
}

// server is one name, over all its lives.
type server struct {
	*world
	name    string
	present atomic.Pointer[sequencer.Sequencer]
	err     error
}

// nodes are those that the clients change.
func nodes() []string { return []string{"n1", "n2", "n3"} }

// run lives, is killed or stopped, and lives again, until ctx ends.
func (s *server) run(ctx context.Context) {
	for life := 1; ctx.Err() == nil; life++ {
		p := &process{world: s.world, dead: make(chan struct{})}
		seq := sequencer.New(s.options(p, life), sequencer.View{})
		s.present.Store(seq)
		alive, end := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.wait(alive, 100*time.Millisecond, 3*time.Second)
			if s.intN(3) > 0 {
				close(p.dead)
			}
			end()
		}()
		err := seq.Run(alive)
		end()
		<-ended
		if broken := chainError(err); broken != nil {
			s.err = fmt.Errorf("%s, life %d: %w", s.name, life, broken)
			return
		}
		s.wait(ctx, time.Millisecond, 200*time.Millisecond)
	}
}

func (s *server) options(p *process, life int) sequencer.Options {
	return sequencer.Options{
		Config: sequencer.Config{
			Server: s.name, Incarnation: fmt.Sprintf("%s.%d", s.name, life), NewLogID: events.LogID{1}, Introduce: genesis,
		},
		Log: onLog{p}, Register: onRegister{p}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Clock: func() sequencer.Now {
			now := time.Now().UnixNano()
			return sequencer.Now{Wall: now, Boot: now}
		},
	}
}

// genesis is an empty log's first decisions: it begins, with its nodes.
func genesis(m *model.Model) []commands.Request {
	if m.Control.Era != 0 {
		return nil
	}
	rs := []commands.Request{{Actor: "node/s", Command: control.StartEra{Cluster: "c1"}}}
	for _, id := range nodes() {
		rs = append(rs, commands.Request{Actor: "node/s", Command: membership.JoinServer{Node: membership.Descriptor{NodeID: id, Weight: 1}}})
	}
	return rs
}
