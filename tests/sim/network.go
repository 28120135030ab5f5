package sim

import (
	"slices"
	"time"
)

// way is from one process to another, by their names.
type way struct{ from, to string }

// cutOf cuts ways for a time. What is sent meanwhile is lost, or comes late, as
// from the buffers of a connection that is alive again.
func (w *World) cutOf(d time.Duration, ways ...way) {
	for _, x := range ways {
		w.cuts[x] = max(w.cuts[x], w.now+int64(d))
	}
}

// carries reports whether what one sends now reaches the other.
func (w *World) carries(from, to string) bool { return w.now >= w.cuts[way{from, to}] }

// send is how long a message takes from one process to another; lost is true when
// it never arrives.
func (w *World) send(from, to string) (delay time.Duration, lost bool) {
	switch {
	case from == to:
		return w.between(20*time.Microsecond, 200*time.Microsecond), false
	case w.carries(from, to):
		return w.network()
	case w.chance(0.2):
		return w.between(500*time.Millisecond, 4*time.Second), false
	}
	return 0, true
}

// reaches reports whether two servers live and hear each other.
func (w *World) reaches(a, b *server) bool {
	return a == b || b.alive && !b.paused && w.carries(a.name, b.name) && w.carries(b.name, a.name)
}

// majority reports whether a server lives, and with it most of all that hear it
// and that it hears.
func (w *World) majority(s *server) bool {
	n := 0
	for _, o := range w.servers {
		if w.reaches(s, o) {
			n++
		}
	}
	return s.alive && !s.paused && 2*n > len(w.servers)
}

// server returns the server of a name.
func (w *World) server(name string) *server {
	return w.servers[slices.IndexFunc(w.servers, func(s *server) bool { return s.name == name })]
}

// split breaks the network between servers, or between a server and the members,
// somewhere, for a while.
func (w *World) split() {
	s := w.servers[w.rng.IntN(len(w.servers))]
	o := w.servers[w.rng.IntN(len(w.servers))]
	var out, in []way
	for _, x := range w.servers {
		out, in = append(out, way{s.name, x.name}), append(in, way{x.name, s.name})
	}
	var ways []way
	kind := w.rng.IntN(7)
	switch kind {
	case 0: // alone, with those who talk to it
		ways = append(out, in...)
	case 1: // heard by nobody
		ways = out
	case 2: // it hears nobody
		ways = in
	case 3: // a pair
		ways = []way{{s.name, o.name}, {o.name, s.name}}
	case 4: // a pair, one way
		ways = []way{{s.name, o.name}}
	case 5: // alone, also for members
		ways = append(out, in...)
		fallthrough
	default: // members that do not reach it
		for _, m := range w.members {
			if kind == 5 || w.chance(0.5) {
				ways = append(ways, way{s.name, m.name}, way{m.name, s.name})
			}
		}
	}
	d := w.between(50*time.Millisecond, 6*time.Second)
	w.tracef("network of %s broken for %s, kind %d with %s", s.name, d, kind, o.name)
	w.did["broken networks"]++
	w.cutOf(d, ways...)
}
