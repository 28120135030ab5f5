package natslog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/omnirelay/omnirelay/store"
)

// ErrUnreachable: no server of that name hears such requests now. Nobody received
// this one.
var ErrUnreachable = errors.New("server is not reachable")

// ErrServerLost: the connection to the server broke while it was asked. It may
// have received the request.
var ErrServerLost = errors.New("server was lost while it was asked")

// Link carries messages between the servers of a cluster, by the connections
// that the log has among them. Nothing of it is stored.
//
// A kind is one lower-case word. A server's name here is Config.ServerName without
// the hyphen and the 8 hexadecimal digits of its directory, if it ends with those:
// a server whose directory was replaced keeps its name.
//
// Goroutines: one that looks at the routes, those of the subscriptions, and one
// for each request that is served; Close of the store ends them.
type Link struct {
	s    *Store
	name string

	mu   sync.Mutex
	up   map[string]string                             // NATS names of the servers that a route leads to, by name
	asks map[string]map[uint64]context.CancelCauseFunc // under way, by server
	next uint64
	over bool           // no handler begins any more
	busy sync.WaitGroup // handlers under way
}

func newLink(s *Store) *Link {
	return &Link{s: s, name: plainName(s.cfg.name()), up: map[string]string{}, asks: map[string]map[uint64]context.CancelCauseFunc{}}
}

var directorySuffix = regexp.MustCompile(`-[0-9a-f]{8}$`)

// plainName is a NATS server name without the id of a directory.
func plainName(nats string) string { return directorySuffix.ReplaceAllString(nats, "") }

// Name is what others call this server.
func (l *Link) Name() string { return l.name }

// maxHandlers bounds the requests of a kind that are handled at a time; more wait
// in the subscription, which holds 64 MiB of them.
const maxHandlers = 128

// token makes a name one token of a subject: dots separate tokens.
func token(name string) string { return strings.ReplaceAll(name, ".", "=") }

// askSubject is of a directory, not of a name: a process that was given up for dead
// may come back beside the one that has its place, and one request must not have two
// answers.
func (l *Link) askSubject(directory, kind string) string {
	return fmt.Sprintf("mesh.%s.ask.%s.%s", l.s.cfg.Cluster, token(directory), kind)
}

func (l *Link) tellSubject(kind string) string {
	return fmt.Sprintf("mesh.%s.tell.%s", l.s.cfg.Cluster, kind)
}

// Ask sends a request to a server and returns its answer. [ErrUnreachable] is
// definite: nobody received it. Any other error leaves that open.
func (l *Link) Ask(ctx context.Context, server, kind string, request []byte) ([]byte, error) {
	if err := l.s.usable(ctx); err != nil {
		return nil, fmt.Errorf("ask %s: %w: %w", server, ErrUnreachable, err)
	}
	ctx, directory, done, reachable := l.asking(ctx, server)
	if !reachable {
		return nil, fmt.Errorf("ask %s: %w", server, ErrUnreachable)
	}
	defer done()
	msg, err := l.s.conn.RequestWithContext(ctx, l.askSubject(directory, kind), request)
	switch {
	case err == nil:
		return msg.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("ask %s: %w", server, ErrUnreachable)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("ask %s: %w", server, err)
}

// asking returns a context that also ends when the route to the server does, and
// the server's NATS name.
func (l *Link) asking(ctx context.Context, server string) (_ context.Context, name string, done func(), reachable bool) {
	ctx, cancel := context.WithCancelCause(ctx)
	if server == l.name {
		return ctx, l.s.cfg.name(), func() { cancel(nil) }, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up[server] == "" {
		cancel(nil)
		return ctx, "", nil, false
	}
	if l.asks[server] == nil {
		l.asks[server] = map[uint64]context.CancelCauseFunc{}
	}
	l.next++
	id := l.next
	l.asks[server][id] = cancel
	return ctx, l.up[server], func() {
		cancel(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.asks[server], id)
	}, true
}

// Tell sends a message to all other servers that can be reached now. It does not
// wait, and nobody says whether it came.
func (l *Link) Tell(kind string, message []byte) error {
	if l.s.closed() {
		return store.ErrClosed
	}
	return l.s.conn.Publish(l.tellSubject(kind), message)
}

// Hear calls fn, on one goroutine, with what others tell, in each server's order.
func (l *Link) Hear(kind string, fn func(message []byte)) error {
	return l.subscribe(l.tellSubject(kind), func(m *nats.Msg) { fn(m.Data) })
}

// Serve answers the requests of a kind, each on a goroutine of its own, at most
// [maxHandlers] at a time. Their context ends when the store is closed.
func (l *Link) Serve(kind string, fn func(ctx context.Context, request []byte) []byte) error {
	places := make(chan struct{}, maxHandlers)
	return l.subscribe(l.askSubject(l.s.cfg.name(), kind), func(m *nats.Msg) {
		select {
		case places <- struct{}{}:
		case <-l.s.life.Done():
			return
		}
		l.handle(func() {
			defer func() { <-places }()
			// Who asked stops waiting by itself when this does not reach it.
			_ = m.Respond(fn(l.s.life, m.Data))
		})
	})
}

// handle runs a handler on a goroutine of its own, unless the store is closing: a
// callback of the connection may still run then.
func (l *Link) handle(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.busy.Go(fn)
	}
}

// close returns when all handlers have ended; none begins after it.
func (l *Link) close() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.busy.Wait()
}

func (l *Link) subscribe(subject string, fn func(*nats.Msg)) error {
	if _, err := l.s.conn.Subscribe(subject, fn); err != nil {
		return fmt.Errorf("natslog: subscribe to %s: %w", subject, err)
	}
	return nil
}
