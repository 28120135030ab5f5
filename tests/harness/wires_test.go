package harness

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// rig is three NATS servers that reach each other by wires, with a connection to
// each and what each has heard.
type rig struct {
	t     *testing.T
	wires *Wires
	conns []*nats.Conn
	heard []*nats.Subscription
	sent  int
}

// newRig starts the servers when the wires have been prepared.
func newRig(t *testing.T, prepare func(*Wires)) *rig {
	t.Helper()
	routes := []string{FreeAddress(t), FreeAddress(t), FreeAddress(t)}
	r := &rig{t: t, wires: NewWires(t, routes...)}
	prepare(r.wires)
	for i, route := range routes {
		s := r.start(i+1, route)
		conn, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		sub, err := conn.SubscribeSync("said.>")
		if err != nil {
			t.Fatal(err)
		}
		r.conns, r.heard = append(r.conns, conn), append(r.heard, sub)
	}
	return r
}

// start runs a server whose dead routes are found soon.
func (r *rig) start(i int, route string) *server.Server {
	r.t.Helper()
	host, port, err := net.SplitHostPort(route)
	if err != nil {
		r.t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		r.t.Fatal(err)
	}
	var peers []*url.URL
	for _, peer := range r.wires.Peers(i) {
		peers = append(peers, &url.URL{Scheme: "nats-route", Host: peer})
	}
	s, err := server.NewServer(&server.Options{
		ServerName: fmt.Sprintf("s%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Routes:  peers,
		Cluster: server.ClusterOpts{Name: "c1", Host: host, Port: number, Advertise: r.wires.Advertised(i), PingInterval: 100 * time.Millisecond},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	s.Start()
	r.t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(startWithin) {
		r.t.Fatalf("server %d does not start", i)
	}
	return s
}

// hears tells whether something that i says now comes to j.
func (r *rig) hears(i, j int) bool {
	r.t.Helper()
	r.sent++
	subject := fmt.Sprintf("said.%d", r.sent)
	if err := r.conns[i-1].Publish(subject, nil); err != nil {
		r.t.Fatal(err)
	}
	if err := r.conns[i-1].Flush(); err != nil {
		r.t.Fatal(err)
	}
	for {
		// What comes later is taken for lost, and asked for again.
		m, err := r.heard[j-1].NextMsg(50 * time.Millisecond)
		if err != nil {
			return false
		}
		if m.Subject == subject {
			return true
		}
	}
}

// await waits until each ordered pair hears, or does not, as want says; pairs
// that it does not name may do either.
func (r *rig) await(what string, want map[[2]int]bool) {
	r.t.Helper()
	Eventually(r.t, startWithin, what, func() error {
		for pair, hears := range want {
			if r.hears(pair[0], pair[1]) != hears {
				return fmt.Errorf("%d to %d: want %t", pair[0], pair[1], hears)
			}
		}
		return nil
	})
}

// TestGossipLeadsNowhere: two servers that cannot reach each other are told each
// other's addresses by the third, follow them, and come to nobody.
func TestGossipLeadsNowhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w *Wires) {
		w.CutOneWay(1, 2)
		w.CutOneWay(2, 1)
	})
	apart := map[[2]int]bool{{1, 2}: false, {2, 1}: false, {1, 3}: true, {3, 1}: true, {2, 3}: true, {3, 2}: true}
	r.await("the first and the second hear the third alone", apart)
	Eventually(t, startWithin, "somebody follows the gossip", func() error {
		if r.wires.dead[0].Opened()+r.wires.dead[1].Opened() == 0 {
			return errors.New("nobody did")
		}
		return nil
	})
	r.await("it was in vain", apart)
}

// TestWires: servers that tell each other their addresses use the wires alone,
// so that each fault shows, and only where it is.
func TestWires(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*Wires) {})
	all := map[[2]int]bool{{1, 2}: true, {1, 3}: true, {2, 1}: true, {2, 3}: true, {3, 1}: true, {3, 2}: true}
	r.await("all hear all", all)
	r.wires.Partition([]int{1})
	r.await("the first is alone", map[[2]int]bool{{1, 2}: false, {1, 3}: false, {2, 1}: false, {2, 3}: true, {3, 1}: false, {3, 2}: true})
	r.wires.Heal()
	r.await("all hear all again", all)
	r.wires.CutOneWay(2, 3)
	// The other way ends too when NATS finds the route stale.
	r.await("the second is not heard by the third", map[[2]int]bool{{1, 2}: true, {1, 3}: true, {2, 1}: true, {2, 3}: false, {3, 1}: true})
	r.wires.Heal()
	r.await("all hear all at last", all)
	r.wires.Delay(1, 3, 20*time.Millisecond)
	r.wires.Slow(1, 3, 0.1, 1<<20)
	r.await("a slow wire carries", all)
}
