package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// hello is what a server says of its directory while it looks for the others.
type hello struct {
	// Server is the NATS name, with the id of the directory.
	Server string `json:"server"`
	// Empty: no sign of an earlier log. Genesis needs it of every listed server.
	Empty bool `json:"empty"`
	// Servers is how many this one lists.
	Servers int `json:"servers"`
	// Grows: this server fills the log before it is taken.
	Grows bool `json:"grows,omitempty"`
	// Era of the log, 0 while this server does not know it.
	Era uint64 `json:"era,omitempty"`
}

const (
	// helloEvery is the pause between two rounds of asking who is there.
	helloEvery = 25 * time.Millisecond
	// helloWait bounds a round.
	helloWait = 75 * time.Millisecond
)

func (c Config) helloSubject() string { return fmt.Sprintf("mesh.%s.hello", c.Cluster) }

func (s *Store) hello(empty bool) hello {
	return s.now(hello{Server: s.cfg.name(), Empty: empty, Servers: len(s.cfg.Peers), Grows: s.cfg.Grow})
}

// now is what a server says, with what it has learnt since it was started: it is
// asked for as long as it runs, and a log that began meanwhile is a sign of one.
func (s *Store) now(h hello) hello {
	_, anchored := s.anchor.get()
	h.Empty = h.Empty && !anchored && s.tail.last() == 0
	h.Era = s.era.Load()
	return h
}

// serveHello answers who asks.
func (s *Store) serveHello(empty bool) error {
	mine := s.hello(empty)
	return s.link.subscribe(s.cfg.helloSubject(), func(m *nats.Msg) {
		if b, err := json.Marshal(s.now(mine)); err == nil { // numbers and texts
			_ = m.Respond(b)
		}
	})
}

// askHello returns who answers within helloWait, this server included, by name.
// It waits no longer than until all that are listed have.
func (s *Store) askHello(ctx context.Context, empty bool) (map[string]hello, error) {
	inbox := s.conn.NewInbox()
	sub, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("natslog: hello: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // of an inbox that nobody has after this
	if err := s.conn.PublishRequest(s.cfg.helloSubject(), inbox, nil); err != nil {
		return nil, fmt.Errorf("natslog: hello: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	heard := map[string]hello{s.cfg.name(): s.hello(empty)} // the connection has no echo
	for len(heard) < len(s.cfg.Peers) {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return heard, nil //nolint:nilerr // the round is over: who has not answered is not there
		}
		var h hello
		if json.Unmarshal(m.Data, &h) == nil && h.Server != "" {
			heard[h.Server] = h
		}
	}
	return heard, nil
}

// allEmpty tells whether the log may begin: every listed server has answered, and
// none has a sign of an earlier one.
func (s *Store) allEmpty(heard map[string]hello) bool {
	for _, h := range heard {
		if !h.Empty {
			return false
		}
	}
	return len(heard) == len(s.cfg.Peers)
}

// told says who is there, for whoever waits for this server.
func (s *Store) told(heard map[string]hello) string {
	names := slices.Sorted(maps.Keys(heard))
	return fmt.Sprintf("%d of %d servers answer (%s)", len(heard), len(s.cfg.Peers), strings.Join(names, ", "))
}

// ErrNameTaken: another directory is that of a server of this name.
var ErrNameTaken = errors.New("name_taken")

// disagree names a server with which this one cannot be in a cluster: it lists
// another number of servers, has this one's name, or the log of another era.
func (s *Store) disagree(heard map[string]hello) error {
	for _, h := range heard {
		if h.Servers != len(s.cfg.Peers) {
			return fmt.Errorf("natslog: config: Peers lists %d servers here and %d on %s; allowed is the same list on every server",
				len(s.cfg.Peers), h.Servers, h.Server)
		}
		if h.Server != s.cfg.name() && plainName(h.Server) == s.link.name {
			return fmt.Errorf("natslog: open %s: %w: %s is connected, and this directory is %s; allowed is one server of a name: stop the other, or give this one a name and a directory of its own",
				s.cfg.Dir, ErrNameTaken, h.Server, s.cfg.name())
		}
		if h.Era != 0 && s.era.Load() != 0 && h.Era != s.era.Load() {
			return fmt.Errorf("natslog: open %s: the log here is of era %d, and on %s of era %d; allowed are servers of one log",
				s.cfg.Dir, s.era.Load(), h.Server, h.Era)
		}
	}
	return nil
}
