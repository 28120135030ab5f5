package member

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/omnirelay/omnirelay/api/client"
)

// maxChanges bounds the changes that wait for the loop; those who bring more
// wait.
const maxChanges = 4096

// Member is a process in the mesh. Run runs it; the other methods may be called
// from many goroutines, also before Run.
type Member struct {
	cfg     Config
	log     *slog.Logger
	clock   func() int64
	client  *client.Client
	lease   *lease
	streaks streaks
	routes  *routes
	held    holdings
	news    news
	addrs   addresses
	scopes  scopes
	tasks   tasks

	// changes and notes go to the loop, which owns the Core.
	changes chan Input
	notes   chan func(*loop)
	// position is the Core's, for those who read on after it.
	position atomic.Int64

	leaving  chan struct{}
	leave    sync.Once
	finished chan struct{}
}

// New makes a member; nothing happens before Run.
func New(cfg Config) (*Member, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c, err := client.New(cfg.Client)
	if err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = BootTime
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	m := &Member{
		cfg: cfg, log: cfg.Logger.With("node", cfg.NodeID), clock: cfg.Clock, client: c, lease: newLease(cfg.Clock),
		changes: make(chan Input, maxChanges), notes: make(chan func(*loop), 64),
		leaving: make(chan struct{}), finished: make(chan struct{}),
	}
	m.streaks.of = map[Ref]int{}
	m.held.of, m.held.gone = map[Ref]Ownership{}, map[Ref]int64{}
	m.scopes = scopes{of: map[string]*campaign{}, terms: map[string]int64{}}
	m.routes = newRoutes(m)
	for _, name := range cfg.Namespaces {
		m.routes.follow(name)
	}
	return m, nil
}

// Run runs a member of this configuration until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	m, err := New(cfg)
	if err != nil {
		return err
	}
	return m.Run(ctx)
}

// Run joins the mesh and stays in it until ctx ends or Leave was called, and
// returns when every goroutine has ended, callbacks included. It returns nil
// after a stop that was asked for. It may be called once.
func (m *Member) Run(ctx context.Context) error {
	defer close(m.finished)
	defer m.client.Close()
	defer m.lease.stop()
	s, err := openStore(m.cfg.DataDir)
	if err != nil {
		return err
	}
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	m.tasks.open(life)
	m.tasks.spawn(m.lease.guard)
	m.tasks.spawn(s.save)
	m.routes.start()
	m.startPeers()
	if m.cfg.Read != nil {
		m.tasks.spawn(m.read)
	}
	l := newLoop(m, life, s)
	err = l.run(ctx)
	l.release()
	cancel(ErrStopped)
	m.tasks.close()
	return firstError(err, s.close())
}

// Leave releases everything, closes the session, and makes Run return. It
// returns when Run has, or when ctx ends; the leave goes on then.
func (m *Member) Leave(ctx context.Context) error {
	m.leave.Do(func() { close(m.leaving) })
	select {
	case <-m.finished:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ready waits until this node has a session with a live lease, and returns the
// session's id.
func (m *Member) Ready(ctx context.Context) (session int64, err error) {
	e, err := m.lease.await(ctx)
	if err != nil {
		return 0, err
	}
	return e.session, nil
}

// Client returns the client of this member.
func (m *Member) Client() *client.Client { return m.client }

// report brings a change to the loop, unless it has ended.
func (m *Member) report(in Input) {
	select {
	case m.changes <- in:
	case <-m.tasks.life.Done():
	}
}

// note brings anything else to the loop, unless it has ended.
func (m *Member) note(fn func(*loop)) {
	select {
	case m.notes <- fn:
	case <-m.tasks.life.Done():
	}
}

// tasks are the goroutines of a member: Run waits for all of them.
type tasks struct {
	mu    sync.Mutex
	life  context.Context // nil before Run
	ended bool
	wg    sync.WaitGroup
}

func (t *tasks) open(life context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.life = life
}

// spawn starts a goroutine that ends with the context it is given; false when
// the member does not run.
func (t *tasks) spawn(fn func(life context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.life == nil {
		return false
	}
	t.wg.Go(func() { fn(t.life) })
	return true
}

func (t *tasks) close() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.wg.Wait()
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
