package harness

import (
	"net"
	"slices"
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// Wires are what n servers reach each other by: a proxy for each ordered pair.
// Servers are numbered from 1.
//
// NATS tells servers the addresses of the others, which would lead around the
// wires; so what a server advertises refuses everybody.
type Wires struct {
	Faults
	routes []string // where server i listens is at i-1
	pairs  map[[2]int]*faultproxy.Proxy
	dead   []*faultproxy.Proxy
}

// NewWires lays wires between servers that listen at these addresses, now or
// later, until the test ends.
func NewWires(t testing.TB, routes ...string) *Wires {
	t.Helper()
	w := &Wires{routes: routes, pairs: map[[2]int]*faultproxy.Proxy{}}
	w.Faults = Faults{n: len(routes), change: w.oneWay}
	for i := range routes {
		dead := listen(t, routes[i])
		dead.Refuse()
		w.dead = append(w.dead, dead)
		for j, route := range routes {
			if i != j {
				w.pairs[[2]int{i + 1, j + 1}] = listen(t, route)
			}
		}
	}
	return w
}

// listen makes a proxy that ends with the test.
func listen(t testing.TB, target string) *faultproxy.Proxy {
	t.Helper()
	return listenBy(t, target, (&net.Dialer{}).DialContext)
}

func listenBy(t testing.TB, target string, dial faultproxy.Dial) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.ListenTCPBy(target, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close a proxy: %v", err)
		}
	})
	return p
}

// Peers are the addresses of all servers as server i reaches them; its own is
// where it listens.
func (w *Wires) Peers(i int) []string {
	peers := slices.Clone(w.routes)
	for j := range peers {
		if j+1 != i {
			peers[j] = w.pairs[[2]int{i, j + 1}].Addr()
		}
	}
	return peers
}

// Advertised is the address that server i tells others, which leads nowhere.
func (w *Wires) Advertised(i int) string { return w.dead[i-1].Addr() }

// Wire is the proxy by which i reaches j.
func (w *Wires) Wire(i, j int) *faultproxy.Proxy { return w.pairs[[2]int{i, j}] }

// oneWay changes the fault of what i sends to j, whichever of the two opened the
// connection.
func (w *Wires) oneWay(i, j int, change func(*faultproxy.Fault)) {
	for _, way := range []struct {
		wire *faultproxy.Proxy
		d    faultproxy.Direction
	}{{w.Wire(i, j), faultproxy.Up}, {w.Wire(j, i), faultproxy.Down}} {
		f := way.wire.Fault(way.d)
		change(&f)
		way.wire.Set(way.d, f)
	}
}
