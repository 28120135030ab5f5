package faultproxy_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	. "github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// TestDatagrams: each sender gets the answers to its own.
func TestDatagrams(t *testing.T) {
	t.Parallel()
	p := udp(t)
	conns := make([]net.Conn, 8)
	for i := range conns {
		conns[i] = dial(t, "udp", p)
		send(t, conns[i], fmt.Sprintf("sender %d", i))
	}
	for i, c := range conns {
		receive(t, c, fmt.Sprintf("sender %d", i))
	}
	if got := p.Opened(); got != 8 {
		t.Errorf("%d senders, want 8", got)
	}
	if got := p.Counts(Up); got != (Counts{Carried: 64}) {
		t.Errorf("counted %+v, want 64 bytes carried", got)
	}
}

// TestCutOfDatagrams: one way, then healed; no datagram of the cut comes later.
func TestCutOfDatagrams(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]Direction{"up": Up, "down": Down} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := udp(t)
			c := dial(t, "udp", p)
			ask(t, c, "before")
			p.Set(d, Fault{Cut: true})
			send(t, c, "during")
			eventually(t, "the datagram vanishes", func() bool { return p.Counts(d).Lost == 6 })
			silent(t, c)
			p.Heal()
			ask(t, c, "after")
		})
	}
}

// TestLossOfDatagrams: about the share that was asked for.
func TestLossOfDatagrams(t *testing.T) {
	t.Parallel()
	p := udp(t)
	c := dial(t, "udp", p)
	p.Set(Up, Fault{Loss: 0.5})
	const sent = 1000
	for i := range int64(sent) {
		send(t, c, "x")
		// One at a time, so that no buffer loses any.
		eventually(t, "the datagram has its fate", func() bool {
			n := p.Counts(Up)
			return n.Carried+n.Lost == i+1
		})
	}
	if lost := p.Counts(Up).Lost; lost < 350 || lost > 650 {
		t.Errorf("%d of %d lost, want about half", lost, sent)
	}
}

func TestDelayOfDatagrams(t *testing.T) {
	t.Parallel()
	p := udp(t)
	c := dial(t, "udp", p)
	p.SetBoth(Fault{Delay: 20 * time.Millisecond})
	if took := ask(t, c, "slow"); took < 40*time.Millisecond {
		t.Errorf("an answer after %s, 40ms is the least", took)
	}
	p.Set(Up, Fault{Rate: 1000})
	if took := ask(t, c, "0123456789012345678901234567890123456789"); took < 60*time.Millisecond {
		t.Errorf("an answer after %s, 60ms is the least", took)
	}
}

// TestHoldOfDatagrams: they wait, and none is lost.
func TestHoldOfDatagrams(t *testing.T) {
	t.Parallel()
	p := udp(t)
	c := dial(t, "udp", p)
	ask(t, c, "before")
	p.Set(Down, Fault{Hold: true})
	send(t, c, "one")
	send(t, c, "two")
	silent(t, c)
	p.Heal()
	receive(t, c, "one")
	receive(t, c, "two")
}

func TestRefuseDatagrams(t *testing.T) {
	t.Parallel()
	p := udp(t)
	c := dial(t, "udp", p)
	ask(t, c, "before")
	p.Refuse()
	send(t, c, "lost")
	silent(t, c)
	p.Heal()
	ask(t, c, "after")
}
