package faultproxy_test

import (
	"io"
	"net"
	"testing"

	. "github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// switched is a switch with three stations, which write and read whole frames.
func switched(t *testing.T) (*Switch, []net.Conn) {
	t.Helper()
	var ports []io.ReadWriteCloser
	var stations []net.Conn
	for range 3 {
		port, station := net.Pipe()
		ports, stations = append(ports, port), append(stations, station)
	}
	s := NewSwitch(ports...)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, stations
}

// frame is one to a station's hardware address; 255 is everybody's.
func frame(to byte, text string) string {
	head := []byte{2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, 1, 8, 0}
	if to == 255 {
		head = append([]byte{255, 255, 255, 255, 255, 255}, head[6:]...)
	}
	return string(head) + text
}

// TestSwitch: frames come to whom they are for, faults are of one pair and way.
func TestSwitch(t *testing.T) {
	t.Parallel()
	s, at := switched(t)
	send(t, at[0], frame(2, "to two"))
	receive(t, at[1], frame(2, "to two"))
	send(t, at[0], frame(255, "to all"))
	receive(t, at[1], frame(255, "to all"))
	receive(t, at[2], frame(255, "to all"))

	s.Set(1, 2, Fault{Cut: true})
	send(t, at[0], frame(2, "vanishes"))
	eventually(t, "the frame vanishes", func() bool { return s.Counts(1, 2).Lost == 22 })
	send(t, at[1], frame(1, "the other way"))
	receive(t, at[0], frame(1, "the other way"))
	send(t, at[0], frame(3, "to the third"))
	receive(t, at[2], frame(3, "to the third"))
	s.Set(1, 2, Fault{})
	send(t, at[0], frame(2, "again"))
	receive(t, at[1], frame(2, "again"))
}
