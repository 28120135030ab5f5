package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

type config struct {
	endpoint, node, data, state, listen, namespace string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c config
	flag.StringVar(&c.endpoint, "endpoint", "http://127.0.0.1:8080", "`URL` of a server of the mesh")
	flag.StringVar(&c.node, "node-id", "", "`NAME` of this process in the mesh")
	flag.StringVar(&c.data, "data", "", "`DIRECTORY` of this process")
	flag.StringVar(&c.state, "state", "", "`DIRECTORY` of the counters, which all processes share")
	flag.StringVar(&c.listen, "listen", "127.0.0.1:9001", "`ADDRESS` to listen on, and that others reach it at")
	flag.StringVar(&c.namespace, "namespace", "counts", "`NAME` of the namespace whose shards it owns")
	flag.Parse()
	if err := run(ctx, c); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}

// server has the shards that this process owns.
type server struct {
	state string

	mu   sync.Mutex
	open map[uint32]*shard
}

// shard is one that is owned here; failed ends the ownership from inside.
type shard struct {
	fence  int64
	counts *counters
	failed chan error
}

// run is a process of the mesh until ctx ends; then it gives its shards to others
// and goes on passing requests on until they have them.
func run(ctx context.Context, c config) error {
	s := &server{state: c.state, open: map[uint32]*shard{}}
	cfg := member.DefaultConfig(c.node, c.data, c.endpoint)
	cfg.Labels = map[string]string{member.DefaultAddrLabel: c.listen}
	cfg.Own = s.own
	m, err := member.New(cfg)
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /add", s.add)
	routes.HandleFunc("GET /get", s.get)
	forwarder, err := m.Forward(member.ForwardConfig{Namespace: c.namespace, Key: key, Serve: routes})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: forwarder, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	fmt.Println("serving on", listener.Addr())
	err = m.Run(ctx) // returns when others have the shards
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if e := web.Shutdown(end); e != nil {
		err = errors.Join(err, e)
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// key is what a request is routed by.
func key(r *http.Request) (string, error) {
	if k := r.URL.Query().Get("key"); k != "" {
		return k, nil
	}
	return "", errors.New("the parameter key is missing (allowed: the name of a counter)")
}

// own has a shard until it is asked for, or its journal is another's.
func (s *server) own(ctx context.Context, o member.Ownership) error {
	counts, err := openCounters(s.state, o)
	if err != nil {
		return err
	}
	sh := &shard{fence: o.Fence, counts: counts, failed: make(chan error, 1)}
	s.put(o.Shard, sh)
	fmt.Println("owns", o)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-sh.failed:
	}
	s.drop(o.Shard, sh)
	fmt.Println("ended", o, context.Cause(ctx))
	return errors.Join(err, counts.close())
}

func (s *server) put(id uint32, sh *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id] = sh
}

func (s *server) drop(id uint32, sh *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] == sh {
		delete(s.open, id)
	}
}

// of is the shard that a request was let in for; its journal may still be read.
func (s *server) of(r *http.Request) (*shard, error) {
	o, ok := member.OwnershipOf(r.Context())
	if !ok {
		return nil, errors.New("the request is served under no ownership")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.open[o.Shard]; sh != nil && sh.fence == o.Fence {
		return sh, nil
	}
	return nil, fmt.Errorf("the counters of %s are not open yet", o)
}

func (s *server) add(w http.ResponseWriter, r *http.Request) {
	i := increment{Key: r.URL.Query().Get("key"), ID: r.URL.Query().Get("id")}
	if i.ID == "" {
		http.Error(w, "the parameter id is missing (allowed: a name that no other increment has)", http.StatusBadRequest)
		return
	}
	sh, err := s.of(r)
	if err == nil {
		var n int64
		if n, err = sh.counts.add(i); err == nil {
			fmt.Fprintln(w, n)
			return
		}
		sh.fail(err)
	}
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// fail gives the shard back: what its journal ends with is not known any more.
func (sh *shard) fail(err error) {
	select {
	case sh.failed <- err:
	default:
	}
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	sh, err := s.of(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, sh.counts.get(r.URL.Query().Get("key")))
}
