package sequencer_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// delivery is what the network does with one message.
type delivery struct {
	// before and after are how long the request and the answer travel.
	before, after time.Duration
	lost          bool // the request never arrives
	unanswered    bool // the answer never does
	unreachable   bool // and the sender is told
	twice         bool // the request arrives twice; the second answer is given
	garbled       bool // the answer is not what was sent
}

var errBroken = errors.New("the link broke")

// network connects forwarders by name.
type network struct {
	mu      sync.Mutex
	servers map[string]*sequencer.Forwarder
	fault   func(to string) delivery
	asked   int // messages so far
	flying  int // of them now
	most    int // at a time
	running sync.WaitGroup
}

func (n *network) begin(to string) (server *sequencer.Forwarder, how delivery) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	n.flying++
	n.most = max(n.most, n.flying)
	if n.fault != nil {
		how = n.fault(to)
	}
	return n.servers[to], how
}

func (n *network) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flying--
}

func (n *network) set(fault func(to string) delivery) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = fault
}

func (n *network) messages() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// Ask implements sequencer.Transport. What was delivered is worked on even if the
// sender has gone.
func (n *network) Ask(ctx context.Context, to string, request []byte) ([]byte, error) {
	server, how := n.begin(to)
	defer n.end()
	if server == nil || how.unreachable {
		return nil, sequencer.ErrUnreachable
	}
	answered := make(chan []byte, 1)
	if !how.lost {
		n.running.Go(func() {
			rest(how.before)
			var answer []byte
			for range 1 + count(how.twice) {
				answer = server.Serve(context.Background(), request)
			}
			rest(how.after)
			if how.garbled {
				answer = answer[:len(answer)/2]
			}
			if !how.unanswered {
				answered <- answer
			}
		})
	}
	select {
	case answer := <-answered:
		return answer, nil
	case <-ctx.Done():
		return nil, errors.Join(errBroken, ctx.Err())
	}
}

func rest(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mesh is the servers s1, which leads, and s2, which forwards to whom leader names.
type mesh struct {
	t       *testing.T
	log     *slowLog
	reg     *memlog.Register
	net     *network
	s1, s2  *server
	mu      sync.Mutex
	leading string
	ends    []func()
}

// server is a sequencer and what forwards to others.
type server struct {
	seq     *sequencer.Sequencer
	forward *sequencer.Forwarder
	stop    func() // ends the forwarder
	end     func() // ends the sequencer, if it runs
}

func newMesh(t *testing.T) *mesh {
	m := &mesh{t: t, log: &slowLog{Log: memlog.New(nil)}, reg: memlog.NewRegister(nil),
		net: &network{servers: map[string]*sequencer.Forwarder{}}}
	m.s1, m.s2 = m.server("s1"), m.server("s2")
	m.lead(m.s1)
	m.says("s1")
	return m
}

func (m *mesh) options(name string) sequencer.Options {
	opts := options(m.log, m.reg)
	opts.Server, opts.Introduce = name, introduce(name)
	return opts
}

func (m *mesh) server(name string, change ...func(*sequencer.ForwardOptions)) *server {
	s := &server{seq: sequencer.New(m.options(name), sequencer.View{}), end: func() {}}
	opts := sequencer.ForwardOptions{
		Server: name, Local: s.seq, Transport: m.net, Leader: m.leader,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&opts)
	}
	f, err := sequencer.NewForwarder(opts)
	if err != nil {
		m.t.Fatal(err)
	}
	s.forward = f
	m.net.mu.Lock()
	m.net.servers[name] = f
	m.net.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = f.Run(ctx) })
	s.stop = func() { cancel(); ended.Wait() }
	m.ends = append(m.ends, func() { s.stop(); s.end() })
	return s
}

// lead runs a server's sequencer until it leads.
func (m *mesh) lead(s *server) {
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := s.seq.Run(ctx); err != nil {
			m.t.Error(err)
		}
	})
	s.end = func() { cancel(); ended.Wait() }
	for range 100 {
		if s.seq.Status().Leading {
			return
		}
		waitTimer(10 * time.Millisecond)
	}
	m.t.Fatal("nobody leads")
}

func (m *mesh) leader() (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leading, m.leading != ""
}

// says is whom all servers hold for the leader from now on.
func (m *mesh) says(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leading = name
}

// close ends everything; what is still on its way arrives first.
func (m *mesh) close() {
	for _, end := range m.ends {
		end()
	}
	m.net.running.Wait()
}

// keyed is a label with an idempotency key of now.
func keyed(value string, n byte) commands.Request {
	r := label(value)
	r.Key = keyAt(time.Now().UnixNano(), n)
	r.Hash[0] = n
	return r
}
