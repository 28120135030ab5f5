package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// epoch is the wall time at which every simulation starts.
const epoch = int64(1_800_000_000) * int64(time.Second)

// Config is what a seed draws from.
type Config struct {
	Servers, Members int
	Shards           uint32
	TTL              time.Duration
	// Storm is how long faults are injected, Calm how long the healed mesh has
	// to come to rest.
	Storm, Calm time.Duration
	// Faults is the chance of a fault, 0 to 1, at each operation or message.
	Faults float64
	// Kills is the mean time between two kills or pauses of a process.
	Kills time.Duration
	// Splits is the mean time between two breaks of the network; 0 is never.
	Splits time.Duration
	// Modes is the number of shards of a namespace for each way to own that is not a
	// plain lease; 0 is without them. Ride is for how long their ownerships go on.
	Modes uint32
	Ride  time.Duration
	// Readers of each shard, beside its owner.
	Readers uint32
}

// Draw is the configuration of a seed.
func Draw(rng *rand.Rand) Config {
	cfg := Config{
		Servers: []int{1, 3, 3, 3, 5}[rng.IntN(5)], Members: 1 + rng.IntN(6), Shards: uint32(1 + rng.IntN(24)),
		TTL: time.Duration(1+rng.IntN(3)) * time.Second, Storm: 30 * time.Second, Calm: 45 * time.Second,
		Faults: []float64{0, 0.02, 0.1, 0.3}[rng.IntN(4)],
		Kills:  []time.Duration{1500 * time.Millisecond, 4 * time.Second, 20 * time.Second}[rng.IntN(3)],
		Splits: []time.Duration{0, 1500 * time.Millisecond, 5 * time.Second}[rng.IntN(3)],
		Modes:  uint32(rng.IntN(5)),
	}
	cfg.Ride = cfg.TTL * time.Duration(1+rng.IntN(4))
	cfg.Readers = uint32(rng.IntN(3))
	return cfg
}

// World is one simulation.
type World struct {
	cfg Config
	rng *rand.Rand
	now int64 // true time, nanoseconds since the start
	q   queue
	ids uint64

	log              *memlog.Log
	reg              *memlog.Register
	logHost, regHost *stream
	cuts             map[way]int64 // what is cut, until when
	codec            sequencer.Codec

	servers []*server
	members []*process
	clients []*client
	check   *checker
	calm    bool
	// quiet: members campaign no more, so that the log comes to rest.
	quiet bool
	err   error
	trace func(format string, args ...any)

	// did counts what happened, for a run that would show nothing.
	did map[string]int

	// What a scenario decides or looks at, beside the seed; each may be nil.

	// link decides what becomes of a message.
	link func() (delay time.Duration, lost bool)
	// stands is how long a controller stands still before it submits a command, or
	// that the command is lost and its outcome open.
	stands func(commands.Request) (d time.Duration, lost bool)
	// answered is told of every answered heartbeat, started of every callback
	// that starts.
	answered func(node string)
	started  func(p *process, ref member.Ref, fence int64)
}

// event is something that happens at a time.
type event struct {
	at int64
	id uint64
	fn func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].id < q[j].id
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func (w *World) after(d time.Duration, fn func()) {
	w.ids++
	heap.Push(&w.q, event{at: w.now + int64(d), id: w.ids, fn: fn})
}

// between draws a duration.
func (w *World) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

// chance is true with probability p.
func (w *World) chance(p float64) bool { return w.rng.Float64() < p }

// fault is true when something goes wrong here and now.
func (w *World) fault() bool { return !w.calm && w.chance(w.cfg.Faults) }

func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %s: %s", time.Duration(w.now), fmt.Sprintf(format, args...))
		w.tracef("FAILED %v", w.err)
	}
}

func (w *World) tracef(format string, args ...any) {
	if w.trace != nil {
		w.trace("%12s %s", time.Duration(w.now), fmt.Sprintf(format, args...))
	}
}

// network is how long a message takes; lost is true when it never arrives.
func (w *World) network() (delay time.Duration, lost bool) {
	if w.link != nil {
		return w.link()
	}
	if w.fault() {
		if w.chance(0.5) {
			return 0, true
		}
		return w.between(50*time.Millisecond, 2*w.cfg.TTL), false
	}
	return w.between(100*time.Microsecond, 3*time.Millisecond), false
}

// node is what processes have in common: life, pauses, and clocks.
type node struct {
	w           *World
	name        string
	alive       bool
	paused      bool
	incarnation int
	backlog     []func()
	boot0       int64
	rate        int64 // parts per thousand by which its clock runs fast
	skew        int64 // of its wall clock
}

func (w *World) newNode(name string) node {
	return node{
		w: w, name: name, alive: true, boot0: w.rng.Int64N(int64(time.Hour)),
		rate: int64(w.rng.IntN(11) - 5), skew: int64(w.between(0, 800*time.Millisecond)) - int64(400*time.Millisecond),
	}
}

func (n *node) clock() sequencer.Now {
	return sequencer.Now{Wall: epoch + n.w.now + n.skew, Boot: n.boot0 + n.w.now + n.w.now/1000*n.rate}
}

// until is the true delay after which the node's boot clock shows a time.
func (n *node) until(boot int64) time.Duration {
	left := boot - n.clock().Boot
	if left <= 0 {
		return 0
	}
	return time.Duration(left + left/100 + 1)
}

// deliver runs fn in the node after a delay, if the same process still lives;
// while it is paused, when it goes on.
func (n *node) deliver(d time.Duration, fn func()) {
	inc := n.incarnation
	n.w.after(d, func() {
		switch {
		case !n.alive || n.incarnation != inc:
		case n.paused:
			n.backlog = append(n.backlog, func() {
				if n.alive && n.incarnation == inc {
					fn()
				}
			})
		default:
			fn()
		}
	})
}

func (n *node) pause() { n.paused = true }

func (n *node) resume() {
	n.paused = false
	backlog := n.backlog
	n.backlog = nil
	for _, fn := range backlog {
		fn()
	}
}

// Run simulates one configuration and returns the first violation.
func Run(cfg Config, rng *rand.Rand, trace func(string, ...any)) (*World, error) {
	w := build(cfg, rng, trace)
	for i := range 2 {
		w.clients = append(w.clients, newClient(w, fmt.Sprintf("user/c%d", i+1)))
	}
	w.after(w.between(0, cfg.Kills), w.havoc)
	if cfg.Splits > 0 {
		w.after(w.between(0, cfg.Splits), w.splits)
	}
	w.after(cfg.Storm, w.heal)
	w.after(cfg.Storm+failoverBound, func() { w.check.leads(); w.look() })
	w.after(cfg.Storm+cfg.Calm-time.Second, func() { w.quiet = true })
	w.advance(cfg.Storm + cfg.Calm)
	if w.err == nil {
		w.check.atRest()
	}
	return w, w.err
}

// build is a world of servers and members in which nothing has happened yet.
func build(cfg Config, rng *rand.Rand, trace func(string, ...any)) *World {
	w := &World{cfg: cfg, rng: rng, trace: trace, cuts: map[way]int64{}, did: map[string]int{}}
	w.codec, w.err = sequencer.NewCodec()
	w.log = memlog.New(w.logFault)
	w.reg = memlog.NewRegister(w.registerFault)
	w.check = newChecker(w)
	for i := range cfg.Servers {
		w.servers = append(w.servers, newServer(w, fmt.Sprintf("s%d", i+1)))
	}
	w.logHost, w.regHost = newStream(w, "log"), newStream(w, "register")
	for i := range cfg.Members {
		w.members = append(w.members, newProcess(w, fmt.Sprintf("n%d", i+1)))
	}
	return w
}

// advance lets everything happen up to a time since the start, or until a check
// fails.
func (w *World) advance(to time.Duration) {
	for w.err == nil && len(w.q) > 0 && w.q[0].at <= int64(to) {
		e := heap.Pop(&w.q).(event)
		w.now = e.at
		e.fn()
		w.check.log()
	}
	w.now = max(w.now, int64(to))
}

func (w *World) logFault(op memlog.Op) memlog.Fault {
	if !w.fault() {
		return memlog.None
	}
	if op.Kind != memlog.KindPublish {
		return memlog.Lost
	}
	f := []memlog.Fault{memlog.AckLost, memlog.Lost, memlog.Delayed, memlog.SpuriousRefusal, memlog.Full}[w.rng.IntN(5)]
	if f == memlog.Delayed {
		w.after(w.between(time.Millisecond, 3*time.Second), func() {
			for _, p := range w.log.Delayed() {
				_ = w.log.Deliver(p.ID) // its caller has gone; what it stored is seen in the log
			}
		})
	}
	return f
}

func (w *World) registerFault(memlog.Op) memlog.Fault {
	if !w.fault() {
		return memlog.None
	}
	return []memlog.Fault{memlog.AckLost, memlog.Lost}[w.rng.IntN(2)]
}

// havoc kills, pauses or restarts a process, and comes again.
func (w *World) havoc() {
	if w.calm {
		return
	}
	w.after(w.between(w.cfg.Kills/2, w.cfg.Kills*3/2), w.havoc)
	if w.chance(0.5) {
		s := w.servers[w.rng.IntN(len(w.servers))]
		if len(w.servers) > 1 && w.chance(0.3) && s.alive && !s.paused {
			s.retire(func() { w.back(&s.node, s.restart) })
			return
		}
		w.disturb(&s.node, s.kill, s.restart)
		return
	}
	m := w.members[w.rng.IntN(len(w.members))]
	w.disturb(&m.node, m.kill, m.restart)
}

func (w *World) disturb(n *node, kill, restart func()) {
	if !n.alive || n.paused {
		return
	}
	down := w.between(time.Millisecond, 2*w.cfg.TTL+2*time.Second)
	if w.chance(0.5) {
		w.tracef("%s paused for %s", n.name, down)
		w.did["paused"]++
		n.pause()
		inc := n.incarnation
		w.after(down, func() {
			if n.paused && n.incarnation == inc {
				w.tracef("%s goes on", n.name)
				n.resume()
			}
		})
		return
	}
	kill()
	w.back(n, restart)
}

// look checks again and again what must hold while nothing goes wrong.
func (w *World) look() {
	w.check.scopes()
	w.after(200*time.Millisecond, w.look)
}

// splits breaks the network, and comes again; now and then the replicas are led
// elsewhere although nothing is broken.
func (w *World) splits() {
	if w.calm {
		return
	}
	w.after(w.between(w.cfg.Splits/2, w.cfg.Splits*3/2), w.splits)
	if to := w.servers[w.rng.IntN(len(w.servers))]; w.chance(0.2) && len(w.servers) > 1 && w.majority(to) {
		[]*stream{w.logHost, w.regHost}[w.rng.IntN(2)].move(to)
		return
	}
	w.split()
}

// back starts a process again that has ended: at once, so that a leader finds
// that it leads by the log, or later.
func (w *World) back(n *node, restart func()) {
	down := w.between(time.Millisecond, 2*w.cfg.TTL+2*time.Second)
	if w.chance(0.2) {
		down = w.between(time.Millisecond, 100*time.Millisecond)
	}
	w.tracef("%s ended for %s", n.name, down)
	inc := n.incarnation
	w.after(down, func() {
		if !n.alive && n.incarnation == inc {
			w.tracef("%s restarts", n.name)
			restart()
		}
	})
}

// heal ends all faults: every process lives, every message arrives.
func (w *World) heal() {
	w.calm = true
	clear(w.cuts)
	w.tracef("calm")
	for _, s := range w.servers {
		if s.paused {
			s.resume()
		}
		if !s.alive {
			s.restart()
		}
	}
	for _, m := range w.members {
		if m.paused {
			m.resume()
		}
		if !m.alive {
			m.restart()
		}
	}
}
