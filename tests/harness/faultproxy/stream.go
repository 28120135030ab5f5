package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialWithin bounds connecting to the target, which is on this machine.
const dialWithin = 5 * time.Second

func (p *Proxy) acceptAll(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors or an aborted handshake: nothing of ours.
			if !rest(p.life) {
				return
			}
			continue
		}
		p.opened.Add(1)
		p.running.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// rest waits a moment before the next try; false when ctx has ended.
func rest(ctx context.Context) bool {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// serve carries one connection to its end.
func (p *Proxy) serve(near *net.TCPConn) {
	epoch, refuse := p.now()
	ctx, cancel := context.WithCancel(epoch)
	defer cancel()
	if refuse {
		abort(near)
		return
	}
	if cut, _ := p.cut(); cut {
		p.leadNowhere(ctx, near)
		return
	}
	dialing, done := context.WithTimeout(ctx, dialWithin)
	conn, err := p.dial(dialing, "tcp", p.target)
	done()
	if err != nil {
		abort(near)
		return
	}
	p.carry(ctx, cancel, near, conn.(*net.TCPConn))
}

// leadNowhere keeps a connection open that was made while its way was cut, until
// the cut ends.
func (p *Proxy) leadNowhere(ctx context.Context, near *net.TCPConn) {
	var reading sync.WaitGroup
	reading.Go(func() {
		n, _ := io.Copy(io.Discard, near)
		p.links[Up].lost.Add(n)
	})
	for {
		cut, changed := p.cut()
		if !cut || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-changed[Up]:
		case <-changed[Down]:
		}
	}
	abort(near)
	reading.Wait()
}

// carry joins two connections until both directions have come to their end, or
// one of them breaks.
func (p *Proxy) carry(ctx context.Context, broken func(), near, far *net.TCPConn) {
	var closing sync.WaitGroup
	closing.Go(func() {
		<-ctx.Done() // and closing is what ends a read or a write that waits
		abort(near)
		abort(far)
	})
	var lines, readers sync.WaitGroup
	var whole atomic.Int32
	one := func(d Direction, from, to *net.TCPConn) {
		l := newStreamLine(p.links[d], func(k packet) error { return hand(to, k) })
		lines.Go(func() {
			if l.run(ctx) {
				whole.Add(1)
			} else {
				broken()
			}
		})
		readers.Go(func() { read(ctx, from, l) })
	}
	one(Up, near, far)
	one(Down, far, near)
	lines.Wait()
	if whole.Load() == 2 {
		_ = near.Close()
		_ = far.Close()
	}
	broken()
	closing.Wait()
	readers.Wait()
}

// hand writes a packet and what comes after it.
func hand(to *net.TCPConn, p packet) error {
	if len(p.data) > 0 {
		if _, err := to.Write(p.data); err != nil {
			return err
		}
	}
	if p.ending == finished {
		return to.CloseWrite()
	}
	return nil
}

// read puts what comes from a connection on its line.
func read(ctx context.Context, from *net.TCPConn, l *line) {
	buf := make([]byte, maxChunk)
	for {
		n, err := from.Read(buf[:l.link.chunk()])
		p := packet{data: append([]byte(nil), buf[:n]...)}
		if errors.Is(err, io.EOF) {
			p.ending = finished
		} else if err != nil {
			p.ending = aborted
		}
		select {
		case l.in <- p:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// abort closes a connection by a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // on a closed connection there is nothing to do
	_ = c.Close()
}
