package faultproxy

import (
	"context"
	"io"
	"sync"
)

// minFrame is the shortest thing that has both addresses of Ethernet.
const minFrame = 14

// Switch joins ports, each of which reads and writes one Ethernet frame at a
// time, and has a [Fault] for each ordered pair of them. The last byte of a
// port's hardware address is its number, from 1 on; a frame to anything else
// goes to all.
type Switch struct {
	ports []io.ReadWriteCloser
	lines map[[2]int]*line

	running sync.WaitGroup
	end     context.CancelFunc
}

// NewSwitch begins to carry frames between ports, which become its own.
func NewSwitch(ports ...io.ReadWriteCloser) *Switch {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Switch{ports: ports, lines: map[[2]int]*line{}, end: cancel}
	for i := range ports {
		for j, to := range ports {
			if i == j {
				continue
			}
			l := newDatagramLine(newLink(), func(k packet) error {
				_, _ = to.Write(k.data) // an interface that is down: the frame is lost, as they are
				return nil
			})
			s.lines[[2]int{i + 1, j + 1}] = l
			s.running.Go(func() { l.run(ctx) })
		}
	}
	for i, port := range ports {
		s.running.Go(func() { s.receive(i+1, port) })
	}
	return s
}

// receive gives the frames of a port to those they are for.
func (s *Switch) receive(i int, port io.Reader) {
	buf := make([]byte, maxChunk)
	for {
		n, err := port.Read(buf)
		if err != nil {
			return
		}
		if n < minFrame {
			continue
		}
		one := s.lines[[2]int{i, int(buf[5])}]
		if multicast := buf[0]&1 != 0; one != nil && !multicast {
			forward(one, buf[:n])
			continue
		}
		for j := range s.ports {
			if l := s.lines[[2]int{i, j + 1}]; l != nil {
				forward(l, buf[:n])
			}
		}
	}
}

// forward gives a line a frame, which is lost when there is no room.
func forward(l *line, frame []byte) {
	if !offer(l, frame) {
		l.link.lost.Add(int64(len(frame)))
	}
}

// Set changes the fault of what port i sends to port j.
func (s *Switch) Set(i, j int, f Fault) { s.lines[[2]int{i, j}].link.set(f) }

// Fault is the present fault of what port i sends to port j.
func (s *Switch) Fault(i, j int) Fault { return s.lines[[2]int{i, j}].link.now().Fault }

// Counts are the bytes of frames from port i to port j so far.
func (s *Switch) Counts(i, j int) Counts {
	l := s.lines[[2]int{i, j}].link
	return Counts{Carried: l.carried.Load(), Lost: l.lost.Load()}
}

// Close closes the ports, and returns when all goroutines have ended.
func (s *Switch) Close() error {
	s.end()
	var first error
	for _, port := range s.ports {
		if err := port.Close(); err != nil && first == nil {
			first = err
		}
	}
	s.running.Wait()
	return first
}
