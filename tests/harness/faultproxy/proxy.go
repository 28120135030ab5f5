package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Dial connects to a target.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Proxy is a wire to one target.
type Proxy struct {
	target string
	dial   Dial
	addr   net.Addr
	listen interface{ Close() error }
	links  [2]*link // by Direction
	opened atomic.Int64

	running sync.WaitGroup
	life    context.Context
	end     context.CancelFunc

	mu sync.Mutex
	// epoch ends when what is live is to be reset. Guarded by mu.
	epoch context.Context
	reset context.CancelFunc // guarded by mu
	// refuse: what comes is reset at once. Guarded by mu.
	refuse bool
}

func newProxy(target string, addr net.Addr, listen interface{ Close() error }) *Proxy {
	p := &Proxy{target: target, addr: addr, listen: listen, links: [2]*link{newLink(), newLink()}}
	p.life, p.end = context.WithCancel(context.Background())
	p.epoch, p.reset = context.WithCancel(p.life)
	return p
}

// ListenTCP begins to carry connections from a loopback port of its own to a
// target, an address that may come to life later.
func ListenTCP(target string) (*Proxy, error) {
	return ListenTCPBy(target, (&net.Dialer{}).DialContext)
}

// ListenTCPBy is ListenTCP with the way to the target, which gives *net.TCPConn.
func ListenTCPBy(target string, dial Dial) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: listen: %w", err)
	}
	p := newProxy(target, l.Addr(), l)
	p.dial = dial
	p.running.Go(func() { p.acceptAll(l) })
	return p, nil
}

// ListenUDP begins to carry datagrams from a loopback port of its own to a
// target, and its answers back to whom they are for.
func ListenUDP(target string) (*Proxy, error) {
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return nil, fmt.Errorf("faultproxy: target: %w", err)
	}
	l, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("faultproxy: listen: %w", err)
	}
	p := newProxy(target, l.LocalAddr(), l)
	p.running.Go(func() { p.receiveAll(l, to) })
	return p, nil
}

// Addr is where to connect instead of to the target.
func (p *Proxy) Addr() string { return p.addr.String() }

// Set changes the fault of a direction.
func (p *Proxy) Set(d Direction, f Fault) { p.links[d].set(f) }

// SetBoth changes the fault of both directions.
func (p *Proxy) SetBoth(f Fault) {
	p.Set(Up, f)
	p.Set(Down, f)
}

// Fault is the present fault of a direction.
func (p *Proxy) Fault(d Direction) Fault { return p.links[d].now().Fault }

// Heal makes both directions healthy and refuses nobody any more.
func (p *Proxy) Heal() {
	p.mu.Lock()
	p.refuse = false
	p.mu.Unlock()
	p.SetBoth(Fault{})
}

// Reset breaks every live connection, as a reset from the other side does.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetLocked()
}

// Refuse resets live connections and every new one until Heal. Datagrams vanish.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
	p.resetLocked()
}

func (p *Proxy) resetLocked() {
	p.reset()
	p.epoch, p.reset = context.WithCancel(p.life)
}

// now is the context of what begins now, and whether it may begin.
func (p *Proxy) now() (epoch context.Context, refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.epoch, p.refuse
}

// Counts are the bytes of a direction so far.
func (p *Proxy) Counts(d Direction) Counts {
	return Counts{Carried: p.links[d].carried.Load(), Lost: p.links[d].lost.Load()}
}

// Opened is how many connections, or senders of datagrams, there were.
func (p *Proxy) Opened() int64 { return p.opened.Load() }

// Close breaks every connection, and returns when all goroutines have ended.
func (p *Proxy) Close() error {
	p.end()
	err := p.listen.Close()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // closed twice
	}
	return err
}

// cut tells whether a handshake, which needs both directions, cannot succeed,
// and what is closed when that may have changed.
func (p *Proxy) cut() (is bool, changed [2]<-chan struct{}) {
	up, down := p.links[Up].now(), p.links[Down].now()
	return up.Cut || down.Cut, [2]<-chan struct{}{up.changed, down.changed}
}
