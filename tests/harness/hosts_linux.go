package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// Hosts are network namespaces with one interface each, joined by a switch of
// this process. Between them the kernel's own TCP and UDP run. Host i, from 1 on,
// has an address of 127.0.0.0/8, so that what serves on loopback alone can be
// reached by the other hosts, and by nobody else.
type Hosts struct {
	Faults
	spaces []*os.File // host i is i-1
}

// NewHosts sets up n hosts until the test ends. The test is skipped where this
// process may not.
func NewHosts(t testing.TB, n int) *Hosts {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the command ip, to set up network namespaces")
	}
	h := &Hosts{}
	var ports []io.ReadWriteCloser
	for i := range n {
		space, port, err := newHost(i+1, n)
		if err != nil {
			t.Skipf("needs the right to make network namespaces with a TAP device: %v", err)
		}
		t.Cleanup(func() { _ = space.Close() })
		h.spaces, ports = append(h.spaces, space), append(ports, port)
	}
	s := faultproxy.NewSwitch(ports...)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the switch: %v", err)
		}
	})
	h.Faults = Faults{n: n, change: func(i, j int, change func(*faultproxy.Fault)) {
		f := s.Fault(i, j)
		change(&f)
		s.Set(i, j, f)
	}}
	return h
}

// Address is that of a port of a host.
func (h *Hosts) Address(i, port int) string { return fmt.Sprintf("%s:%d", hostIP(i), port) }

func hostIP(i int) string { return fmt.Sprintf("127.1.0.%d", i) }

// newHost makes a namespace and the far end of its interface.
func newHost(i, n int) (space *os.File, port *os.File, err error) {
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		if port, err = newTap(); err != nil {
			return err
		}
		return configure(i, n)
	})
	if err != nil && space != nil {
		_ = space.Close()
	}
	if err != nil && port != nil {
		_ = port.Close()
	}
	return space, port, err
}

// onThread runs something on a thread that ends afterwards, because its
// namespace is no longer the process's.
func onThread(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- do()
	}()
	return <-done
}

const tapName = "tap0"

// newTap makes an interface in this thread's namespace, and returns what reads
// and writes its frames.
func newTap() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(tapName)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make a TAP device: %w", err)
	}
	return os.NewFile(uintptr(fd), tapName), nil
}

// configure gives this thread's namespace its address and its ways to the other
// hosts. All of 127.0.0.0/8 would be this host's own.
func configure(i, n int) error {
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0) // only to be quiet
	for _, device := range []string{"all", tapName} {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+device+"/route_localnet", []byte("1"), 0); err != nil {
			return err
		}
	}
	lines := []string{
		"link set lo up",
		fmt.Sprintf("link set %s address 02:00:00:00:00:%02x up", tapName, i),
		fmt.Sprintf("addr add %s/32 dev %s", hostIP(i), tapName),
		"route del local 127.0.0.0/8 dev lo table local",
		"route replace local 127.0.0.1/32 dev lo table local",
	}
	for j := 1; j <= n; j++ {
		if j != i {
			lines = append(lines, fmt.Sprintf("route add %s/32 dev %s src %s", hostIP(j), tapName, hostIP(i)))
		}
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out.String())
	}
	return nil
}

// enter puts this thread into a host.
func (h *Hosts) enter(i int) error {
	if err := unix.Setns(int(h.spaces[i-1].Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter host %d: %w", i, err)
	}
	return nil
}

// Do runs something on a thread in a host. Sockets that it makes stay there.
func (h *Hosts) Do(i int, do func() error) error {
	return onThread(func() error {
		if err := h.enter(i); err != nil {
			return err
		}
		return do()
	})
}

// Dial connects from a host.
func (h *Hosts) Dial(i int) faultproxy.Dial {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = h.Do(i, func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
}
