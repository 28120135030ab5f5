package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a mesh of as many servers as asked, all of one script: every method
// is a function that a test sets.
type fake struct {
	controlv1.UnimplementedPeerControlServiceHandler
	controlv1.UnimplementedNamespaceControlServiceHandler
	controlv1.UnimplementedCommandServiceHandler
	controlv1.UnimplementedLogServiceHandler
	controlv1.UnimplementedSystemServiceHandler
	shards fakeShards

	listPeers  func(*controlv1.ListPeersRequest) (*controlv1.ListPeersResponse, error)
	cordon     func(context.Context, *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error)
	watchPeers func(*controlv1.WatchPeersRequest, *connect.ServerStream[controlv1.PeerNotification]) error
	backup     func(*connect.ServerStream[controlv1.BackupChunk]) error
	tail       func(*controlv1.TailRequest, *connect.ServerStream[controlv1.LogEvent]) error
	batch      func(*controlv1.CommandBatch) (*controlv1.AckBatch, error)
	stream     func(context.Context, *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error
	headers    func(http.Header)
}

type fakeShards struct {
	controlv1.UnimplementedShardControlServiceHandler
	watch    func(*connect.Request[controlv1.ShardWatchRequest], *connect.ServerStream[controlv1.ShardDiffNotification]) error
	lookup   func(*connect.BidiStream[controlv1.BatchGetShardsRequest, controlv1.BatchGetShardsResponse]) error
	batchGet func(*controlv1.BatchGetShardsRequest) (*controlv1.BatchGetShardsResponse, error)
	diff     func(*controlv1.ShardDiffRequest) (*controlv1.ShardDiffResponse, error)
}

func (f *fakeShards) Watch(_ context.Context, r *connect.Request[controlv1.ShardWatchRequest], s *connect.ServerStream[controlv1.ShardDiffNotification]) error {
	s.ResponseHeader().Set("X-Mesh-Log", "c1.1")
	return f.watch(r, s)
}

func (f *fakeShards) Lookup(_ context.Context, s *connect.BidiStream[controlv1.BatchGetShardsRequest, controlv1.BatchGetShardsResponse]) error {
	return f.lookup(s)
}

func (f *fakeShards) BatchGet(_ context.Context, r *connect.Request[controlv1.BatchGetShardsRequest]) (*connect.Response[controlv1.BatchGetShardsResponse], error) {
	return answer(f.batchGet(r.Msg))
}

func (f *fakeShards) Diff(_ context.Context, r *connect.Request[controlv1.ShardDiffRequest]) (*connect.Response[controlv1.ShardDiffResponse], error) {
	return answer(f.diff(r.Msg))
}

func answer[R any](res *R, err error) (*connect.Response[R], error) {
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}

func (f *fake) ListPeers(_ context.Context, r *connect.Request[controlv1.ListPeersRequest]) (*connect.Response[controlv1.ListPeersResponse], error) {
	res, err := answer(f.listPeers(r.Msg))
	if err == nil && f.headers != nil {
		f.headers(res.Header())
	}
	return res, err
}

func (f *fake) CordonPeer(ctx context.Context, r *connect.Request[controlv1.CordonPeerRequest]) (*connect.Response[controlv1.CordonPeerResponse], error) {
	return answer(f.cordon(ctx, r.Msg))
}

func (f *fake) WatchPeers(_ context.Context, r *connect.Request[controlv1.WatchPeersRequest], s *connect.ServerStream[controlv1.PeerNotification]) error {
	return f.watchPeers(r.Msg, s)
}

func (f *fake) Tail(_ context.Context, r *connect.Request[controlv1.TailRequest], s *connect.ServerStream[controlv1.LogEvent]) error {
	return f.tail(r.Msg, s)
}

func (f *fake) Backup(_ context.Context, _ *connect.Request[controlv1.BackupRequest], s *connect.ServerStream[controlv1.BackupChunk]) error {
	return f.backup(s)
}

func (f *fake) GetStatus(context.Context, *connect.Request[controlv1.GetStatusRequest]) (*connect.Response[controlv1.MeshStatus], error) {
	return connect.NewResponse(&controlv1.MeshStatus{Position: 40}), nil
}

func (f *fake) SubmitBatch(_ context.Context, r *connect.Request[controlv1.CommandBatch]) (*connect.Response[controlv1.AckBatch], error) {
	return answer(f.batch(r.Msg))
}

func (f *fake) SubmitStream(ctx context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
	return f.stream(ctx, s)
}

func (f *fake) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(controlv1.NewPeerControlServiceHandler(f))
	mux.Handle(controlv1.NewNamespaceControlServiceHandler(f))
	mux.Handle(controlv1.NewShardControlServiceHandler(&f.shards))
	mux.Handle(controlv1.NewCommandServiceHandler(f))
	mux.Handle(controlv1.NewLogServiceHandler(f))
	mux.Handle(controlv1.NewSystemServiceHandler(f))
	return mux
}

// serve starts a server that speaks HTTP/1.1 and h2c.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// dead is an endpoint that nobody listens at.
func dead(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

func dial(t testing.TB, change func(*client.Config), endpoints ...string) *client.Client {
	t.Helper()
	cfg := client.DefaultConfig(endpoints...)
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// refusal is an error as a server makes it.
func refusal(code connect.Code, message string, detail *controlv1.ErrorDetail) error {
	e := connect.NewWireError(code, errorText(message))
	d, err := connect.NewErrorDetail(detail)
	if err != nil {
		panic(err)
	}
	e.AddDetail(d)
	return e
}

type errorText string

func (e errorText) Error() string { return string(e) }

// record collects strings from many goroutines.
type record struct {
	mu   sync.Mutex
	list []string
}

func (r *record) add(s string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, s)
	return len(r.list)
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.list...)
}
