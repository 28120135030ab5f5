package sim

import (
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// stream is where the replicas of the log, or of the register, are led. What is
// stored is in a memlog, as a majority sees it; this says who gets there, and who
// is answered.
type stream struct {
	w    *World
	name string
	host *server
	// former was deposed and has not heard of it before a time.
	former *server
	until  int64
	// then is what the former host still shows.
	then struct {
		last, version uint64
		data          []byte
	}
	// missing is since when the host has no majority, 0 while it has; patience is
	// how long the replicas bear that.
	missing  int64
	patience time.Duration
}

func newStream(w *World, name string) *stream {
	st := &stream{w: w, name: name}
	if len(w.servers) > 1 {
		w.after(0, st.watch)
	}
	return st
}

// watch lets the replicas elect another host when the one they had is gone.
func (st *stream) watch() {
	w := st.w
	w.after(w.between(20*time.Millisecond, 60*time.Millisecond), st.watch)
	if st.host != nil && w.majority(st.host) {
		st.missing = 0
		return
	}
	if st.missing == 0 {
		st.missing, st.patience = w.now, w.between(100*time.Millisecond, 1200*time.Millisecond)
	}
	if w.now-st.missing < int64(st.patience) {
		return
	}
	var able []*server
	for _, s := range w.servers {
		if w.majority(s) {
			able = append(able, s)
		}
	}
	if len(able) > 0 {
		st.move(able[w.rng.IntN(len(able))])
	}
}

// move makes a server the host.
func (st *stream) move(to *server) {
	if st.host == to {
		return
	}
	st.w.did["moves of hosts"]++
	st.w.tracef("%s is hosted by %s", st.name, to.name)
	st.former, st.until = nil, 0
	if st.host != nil && !st.w.majority(st.host) {
		st.former, st.until = st.host, st.w.now+int64(st.w.between(0, 4*time.Second))
		st.then.last, _ = st.w.log.Last(st.w.ctx())
		st.then.version, st.then.data, _ = st.w.reg.Read(st.w.ctx())
	}
	st.host, st.missing = to, 0
}

// gone notes that a server was killed.
func (st *stream) gone(s *server) {
	if st.host == s && len(st.w.servers) > 1 {
		st.host = nil
	}
	if st.former == s {
		st.former = nil
	}
}

// hosts reports whether a server believes that it is the host.
func (st *stream) hosts(s *server) bool {
	return len(st.w.servers) == 1 || st.host == s || st.former == s && st.w.now < st.until
}

// asked is whom a server sends its operations to: the host, or itself while it
// believes to be it. nil is nobody.
func (st *stream) asked(s *server) *server {
	if st.hosts(s) {
		return s
	}
	return st.host
}

// errNoHost: nobody is there to be asked.
var errNoHost = errors.New("no host of the stream")

// opTimeout is when an operation without an answer ends.
const opTimeout = 2 * time.Second

// standing is how the host of a stream stands when it is asked.
type standing int

const (
	// leads: it has a majority.
	leads standing = iota
	// alone: it has none. What it is asked to store is stored later, or never.
	alone
	// deposed: another is the host, and it has not heard of that.
	deposed
)

func (st *stream) standing(h *server) (standing, bool) {
	switch {
	case st.former == h && st.w.now < st.until:
		return deposed, true
	case st.host != h && len(st.w.servers) > 1:
		return 0, false
	case !st.w.majority(h):
		return alone, true
	}
	return leads, true
}

// op sends an operation to the host of a stream, where do takes effect; what do
// returns, if anything, is called in this process when the answer has come. An
// operation without an answer ends with failed.
func (s *server) op(st *stream, do func(standing) func(), failed func(error)) {
	over, inc := false, s.incarnation
	end := func(fn func()) {
		if !over && inc == s.incarnation {
			over = true
			fn()
			s.pump()
		}
	}
	s.deliver(opTimeout, func() { end(func() { failed(memlog.ErrNoAck) }) })
	h := st.asked(s)
	if h == nil {
		s.deliver(s.w.between(time.Millisecond, 500*time.Millisecond), func() { end(func() { failed(errNoHost) }) })
		return
	}
	there, lost := s.w.send(s.name, h.name)
	if s.w.fault() {
		there = s.w.between(0, 2*time.Second)
	}
	if lost {
		return
	}
	// What was sent arrives, whatever becomes of the sender.
	h.deliver(there, func() {
		at, ok := st.standing(h)
		if ok && at != leads {
			s.w.did["operations at a host that lost its majority"]++
		}
		result := func() { failed(errNoHost) } // it has heard that it is not the host
		if ok {
			result = do(at)
		}
		back, lost := s.w.send(h.name, s.name)
		if s.w.fault() {
			back = s.w.between(0, 2*time.Second)
		}
		if !lost && result != nil && inc == s.incarnation {
			s.deliver(back, func() { end(result) })
		}
	})
}

// perform does what the core asks for.
func (s *server) perform(r sequencer.Ready) {
	w, core := s.w, s.core
	if p := r.Publish; p != nil {
		s.op(w.logHost, func(at standing) func() {
			if at != leads {
				w.late(at, func() { _ = w.log.TryPublish(p.Expect, p.Data) })
				return nil
			}
			err := w.log.TryPublish(p.Expect, p.Data)
			return func() { core.Published(p.Expect, err) }
		}, func(err error) { core.Published(p.Expect, err) })
	}
	if seq := r.Load; seq != 0 {
		s.op(w.logHost, func(at standing) func() {
			m, err := w.log.Load(w.ctx(), seq)
			if at == deposed && seq > w.logHost.then.last {
				m, err = store.Message{}, store.ErrNotFound
			}
			return func() { core.Loaded(s.clock(), seq, m, err) }
		}, func(err error) { core.Loaded(s.clock(), seq, store.Message{}, err) })
	}
	if x := r.Write; x != nil {
		w.check.claims(s)
		started := w.now
		s.op(w.regHost, func(at standing) func() {
			if at != leads {
				w.late(at, func() { _, _ = w.reg.TryWrite(x.Expect, x.Data) })
				return nil
			}
			v, err := w.reg.TryWrite(x.Expect, x.Data)
			return func() {
				if s.deaf {
					err = memlog.ErrNoAck
				}
				if err == nil {
					s.proof = started
				}
				core.Written(s.clock(), v, err)
			}
		}, func(err error) { core.Written(s.clock(), 0, err) })
	}
	if r.Read {
		s.op(w.regHost, func(at standing) func() {
			v, data, err := w.reg.Read(w.ctx())
			if at == deposed {
				v, data = w.regHost.then.version, w.regHost.then.data
			}
			return func() {
				if s.deaf {
					err = memlog.ErrNoAck
				}
				core.WasRead(s.clock(), v, data, err)
			}
		}, func(err error) { core.WasRead(s.clock(), 0, nil, err) })
	}
}

// late does later, or never, what a host without a majority was asked to store.
// One that was deposed loses it.
func (w *World) late(at standing, do func()) {
	if at == alone && w.chance(0.4) {
		w.after(w.between(0, 3*time.Second), do)
	}
}
