package faultproxy

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"sync"
)

// maxSenders bounds the senders of datagrams that are told apart.
const maxSenders = 1024

// sender is one that sends datagrams, with a socket of its own to the target, so
// that answers find their way.
type sender struct {
	ctx context.Context
	up  *line
}

// receiveAll gives each sender's datagrams to its line.
func (p *Proxy) receiveAll(near *net.UDPConn, target *net.UDPAddr) {
	senders := map[netip.AddrPort]*sender{}
	buf := make([]byte, maxChunk)
	for {
		n, from, err := near.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an earlier datagram's fate, told late
		}
		s := senders[from]
		if s == nil || s.ctx.Err() != nil {
			maps.DeleteFunc(senders, func(_ netip.AddrPort, s *sender) bool { return s.ctx.Err() != nil })
			if s = p.admitSender(near, from, target, len(senders)); s != nil {
				senders[from] = s
			}
		}
		if s == nil || !offer(s.up, buf[:n]) {
			p.links[Up].lost.Add(int64(n))
		}
	}
}

// offer gives a line a datagram if there is room.
func offer(l *line, data []byte) bool {
	select {
	case l.in <- packet{data: append([]byte(nil), data...)}:
		return true
	default:
		return false
	}
}

// admitSender begins to carry for a sender; nil if it must not.
func (p *Proxy) admitSender(near *net.UDPConn, from netip.AddrPort, target *net.UDPAddr, known int) *sender {
	epoch, refuse := p.now()
	if refuse || known >= maxSenders {
		return nil
	}
	far, err := net.DialUDP("udp", nil, target)
	if err != nil {
		return nil
	}
	p.opened.Add(1)
	s := &sender{ctx: epoch}
	s.up = newDatagramLine(p.links[Up], func(k packet) error {
		_, _ = far.Write(k.data) // nobody listens: the datagram is lost, as they are
		return nil
	})
	down := newDatagramLine(p.links[Down], func(k packet) error {
		_, _ = near.WriteToUDPAddrPort(k.data, from)
		return nil
	})
	p.running.Go(func() { p.exchange(epoch, far, s.up, down) })
	return s
}

// exchange carries datagrams of one sender until ctx ends.
func (p *Proxy) exchange(ctx context.Context, far *net.UDPConn, up, down *line) {
	var running sync.WaitGroup
	running.Go(func() { up.run(ctx) })
	running.Go(func() { down.run(ctx) })
	running.Go(func() {
		buf := make([]byte, maxChunk)
		for {
			n, err := far.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && !offer(down, buf[:n]) {
				p.links[Down].lost.Add(int64(n))
			}
		}
	})
	<-ctx.Done()
	_ = far.Close()
	running.Wait()
}
