package faultproxy

import (
	"container/heap"
	"context"
	"sort"
	"time"
)

const (
	// maxChunk bounds one read of a stream; a datagram fits as well.
	maxChunk = 64 << 10
	// maxQueued bounds the bytes that wait in a direction of a connection.
	maxQueued = 1 << 20
	// maxBurst bounds the datagrams that wait to be looked at.
	maxBurst = 1024
)

// ending is what comes after a packet's bytes.
type ending int

const (
	goesOn ending = iota
	finished
	aborted
)

// packet is something on its way.
type packet struct {
	data   []byte
	ending ending
	due    time.Time
	order  uint64
}

// line is one direction of one connection. The goroutine of run owns it; others
// hand it packets.
type line struct {
	link   *link
	stream bool
	in     chan packet
	// deliver hands a packet on. After an error the line ends.
	deliver func(packet) error

	waiting packets
	queued  int
	orders  uint64
	last    time.Time // due of the newest packet of a stream
	// holed: a stream lost something when heals cuts had ended.
	holed bool
	heals int
}

func newStreamLine(l *link, deliver func(packet) error) *line {
	return &line{link: l, stream: true, in: make(chan packet), deliver: deliver}
}

func newDatagramLine(l *link, deliver func(packet) error) *line {
	return &line{link: l, in: make(chan packet, maxBurst), deliver: deliver}
}

// run carries packets until ctx ends, and tells whether the stream came to its
// proper end.
func (l *line) run(ctx context.Context) (whole bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := l.link.now()
		if l.holed && now.heals > l.heals {
			return false
		}
		if now.Cut {
			l.loseAll(now)
		}
		for len(l.waiting) > 0 && !now.Hold && !l.waiting[0].due.After(time.Now()) {
			p := l.pop()
			if p.ending == aborted || l.deliver(p) != nil {
				return false
			}
			l.link.carried.Add(int64(len(p.data)))
			if p.ending == finished {
				return true
			}
			now = l.link.now()
			if now.Cut {
				l.loseAll(now)
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-now.changed:
			l.hasten()
		case p := <-l.intake():
			l.admit(p)
		case <-l.alarm(timer, now.Hold):
		}
	}
}

// intake is where packets come from while there is room.
func (l *line) intake() <-chan packet {
	if l.queued >= maxQueued {
		return nil
	}
	return l.in
}

// alarm rings when the first packet is due.
func (l *line) alarm(timer *time.Timer, held bool) <-chan time.Time {
	if held || len(l.waiting) == 0 {
		return nil
	}
	timer.Reset(time.Until(l.waiting[0].due))
	return timer.C
}

func (l *line) admit(p packet) {
	now := l.link.now()
	lost := now.loses()
	if now.Cut || (lost && !l.stream) {
		l.lose(p, now)
		return
	}
	p.due = l.link.depart(len(p.data)).Add(now.late())
	if l.stream {
		if lost {
			p.due = p.due.Add(retransmit)
		}
		if p.due.Before(l.last) {
			p.due = l.last
		}
		l.last = p.due
	}
	l.orders++
	p.order = l.orders
	l.queued += len(p.data)
	heap.Push(&l.waiting, p)
}

func (l *line) pop() packet {
	p := heap.Pop(&l.waiting).(packet)
	l.queued -= len(p.data)
	return p
}

func (l *line) lose(p packet, now condition) {
	l.link.lost.Add(int64(len(p.data)))
	if l.stream {
		l.holed, l.heals = true, now.heals
	}
}

func (l *line) loseAll(now condition) {
	for len(l.waiting) > 0 {
		l.lose(l.pop(), now)
	}
}

// hasten lets nothing wait longer than it would if it had come under the new
// fault. What is sorted is a heap, and stays sorted: the bounds rise.
func (l *line) hasten() {
	now := l.link.now()
	sort.Sort(l.waiting)
	for i := range l.waiting {
		bound := l.link.depart(len(l.waiting[i].data)).Add(now.Delay + now.Jitter)
		if p := &l.waiting[i]; p.due.After(bound) {
			p.due = bound
		}
	}
	l.last = time.Time{}
	if n := len(l.waiting); n > 0 {
		l.last = l.waiting[n-1].due
	}
}

// packets is a heap by due time; order breaks ties.
type packets []packet

// Len implements heap.Interface.
func (h packets) Len() int { return len(h) }

// Less implements heap.Interface.
func (h packets) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].order < h[j].order
	}
	return h[i].due.Before(h[j].due)
}

// Swap implements heap.Interface.
func (h packets) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *packets) Push(x any) { *h = append(*h, x.(packet)) }

// Pop implements heap.Interface.
func (h *packets) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = packet{}
	*h = (*h)[:last]
	return p
}
