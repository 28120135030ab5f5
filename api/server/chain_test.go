package server

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/omnirelay/omnirelay/api/auth"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// door is an authenticator that tests hold.
type door struct {
	id    auth.Identity
	err   error
	asked int
}

func (d *door) Authenticate(context.Context, http.Header) (auth.Identity, error) {
	d.asked++
	return d.id, d.err
}

// Every RPC asks who calls, whether it may, and whether its message is well
// formed, in this order, before its handler (REFDISC-004).
func TestEveryRPCPassesTheChain(t *testing.T) {
	d := &door{}
	m := newMesh(t, func(deps *Deps) { deps.Authenticator = d })
	before := m.head()
	admin := auth.Identity{Actor: "user/a", Rank: controlv1.Scope_SCOPE_ADMIN, Member: true}
	for procedure, method := range m.server.methods {
		t.Run(method.name, func(t *testing.T) {
			d.id, d.err, d.asked = auth.Identity{}, &auth.Error{Header: "Authorization", Problem: "is missing", Allowed: "a token"}, 0
			if got := m.post(procedure, nil); !strings.Contains(got, "unauthenticated") || d.asked != 1 {
				t.Errorf("without identity: asked %d times, %s", d.asked, got)
			}
			d.id, d.err = auth.Identity{Actor: "user/nobody"}, nil
			if method.scope == controlv1.Scope_SCOPE_PER_COMMAND {
				m.everyCommandAsksForItself(t, procedure)
			} else if got := m.post(procedure, nil); !strings.Contains(got, "permission_denied") || !strings.Contains(got, auth.ScopeName(method.scope)) {
				t.Errorf("without %s: %s", auth.ScopeName(method.scope), got)
			}
			d.id = admin
			if bad := malformed(t, method); bad != nil {
				if got := m.post(procedure, bad); !strings.Contains(got, "invalid_argument") {
					t.Errorf("malformed %v: %s", bad, got)
				}
			}
		})
	}
	if m.head() != before {
		t.Errorf("refused calls left events: head %d after %d", m.head(), before)
	}
}

// everyCommandAsksForItself posts each command without any scope.
func (m *mesh) everyCommandAsksForItself(t *testing.T, procedure string) {
	t.Helper()
	fields := (&controlv1.Command{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for i := range fields.Len() {
		cmd := &controlv1.Command{Id: 1}
		cmd.ProtoReflect().Set(fields.Get(i), cmd.ProtoReflect().NewField(fields.Get(i)))
		if got := m.post(procedure, &controlv1.CommandBatch{Commands: []*controlv1.Command{cmd}}); !strings.Contains(got, "scope_missing") {
			t.Errorf("%s without a scope: %s", fields.Get(i).Name(), got)
		}
	}
}

// malformed is a request of the RPC that validation must refuse; nil when
// nothing in it can be wrong by itself.
func malformed(t *testing.T, m *method) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(m.desc.Input().FullName())
	if err != nil {
		t.Fatal(err)
	}
	msg := typ.New()
	fields := m.desc.Input().Fields()
	for _, bad := range []struct {
		name  protoreflect.Name
		value any
	}{
		{"mutation", &controlv1.Mutation{IdempotencyKey: "nonsense"}},
		{"read", &controlv1.ReadOptions{MinPosition: -1}},
		{"page_size", int32(-1)}, {"limit", int32(-1)},
		{"resume_token", int64(-1)}, {"from", int64(-1)}, {"position", int64(-1)}, {"after", int64(-1)},
		{"session_id", int64(-1)}, {"min_position", int64(-1)}, {"from_token", int64(-1)},
	} {
		fd := fields.ByName(bad.name)
		if fd == nil {
			continue
		}
		if v, ok := bad.value.(proto.Message); ok {
			msg.Set(fd, protoreflect.ValueOfMessage(v.ProtoReflect()))
		} else {
			msg.Set(fd, protoreflect.ValueOf(bad.value))
		}
		return msg.Interface()
	}
	if batch, ok := msg.Interface().(*controlv1.CommandBatch); ok {
		batch.Commands = make([]*controlv1.Command, MaxBatch+1)
		for i := range batch.Commands {
			batch.Commands[i] = &controlv1.Command{}
		}
		return batch
	}
	if fields.Len() > 0 {
		t.Errorf("%s has fields, and no validation that this test knows", m.name)
	}
	return nil
}

// post calls an RPC of any kind and returns what came back, errors included.
func (m *mesh) post(procedure string, msg proto.Message) string {
	method := m.server.methods[procedure]
	body, err := proto.Marshal(msg)
	if err != nil {
		m.t.Fatal(err)
	}
	if msg == nil {
		body = nil
	}
	kind := "application/proto"
	if method.desc.IsStreamingClient() || method.desc.IsStreamingServer() {
		kind = "application/connect+proto"
		n := len(body)
		body = append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
	}
	r := httptest.NewRequest(http.MethodPost, procedure, bytes.NewReader(body))
	r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Connect-Protocol-Version", "1")
	return m.serve(r).Body.String()
}

// REST and SSE go the same way.
func TestRESTPassesTheChain(t *testing.T) {
	d := &door{}
	m := newMesh(t, func(deps *Deps) { deps.Authenticator = d })
	for _, r := range m.server.rest.routes {
		path := "/control/" + strings.NewReplacer("{", "", "}", "").Replace(strings.Join(r.segments, "/"))
		if r.verb != "" {
			path += ":" + r.verb
		}
		// The query is wrong: who may not call is not told so.
		path += "?nonsense=1"
		d.id, d.err = auth.Identity{}, &auth.Error{Header: "Authorization", Problem: "is missing", Allowed: "a token"}
		m.want(401, r.method, path, "")
		d.id, d.err = auth.Identity{Actor: "user/nobody"}, nil
		m.want(403, r.method, path, "")
		d.id.Rank, d.id.Member = controlv1.Scope_SCOPE_ADMIN, true
		m.want(400, r.method, path, "")
	}
}

// A handler that panics answers with an error, and the server goes on.
func TestPanicIsAnError(t *testing.T) {
	m := newMesh(t)
	c := &call{method: m.server.methodOf(controlv1.PeerControlServiceGetPeerProcedure), header: http.Header{}}
	err := m.server.unary(t.Context(), c, &controlv1.GetPeerRequest{}, func(context.Context) error { panic("oh") })
	wantError(t, err, "internal", "internal")
	if strings.Contains(err.Error(), "oh") {
		t.Errorf("the panic's words go to the caller: %v", err)
	}
}

// A request id that was given comes back; one that is none is replaced.
func TestRequestID(t *testing.T) {
	m := newMesh(t)
	if got := m.want(200, "GET", "/control/peers", "", headerRequestID, "r-1").header.Get(headerRequestID); got != "r-1" {
		t.Errorf("request id %q", got)
	}
	a := m.want(200, "GET", "/control/peers", "", headerRequestID, "r 1").header.Get(headerRequestID)
	b := m.want(404, "GET", "/control/peers/none", "").header.Get(headerRequestID)
	if a == "" || a == "r 1" || a == b {
		t.Errorf("made-up request ids %q and %q", a, b)
	}
	m.namespace("demo", 1)
	m.want(200, "POST", "/control/shards/demo/0:pause", "", headerCorrelation, "trace-7")
	m.await(m.head())
	if r := m.want(200, "GET", "/control/audit?correlationId=trace-7", ""); len(r.items()) != 1 {
		t.Errorf("by correlation: %s", r)
	}
}

func TestMetrics(t *testing.T) {
	m := newMesh(t)
	m.want(200, "GET", "/control/peers", "")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		found[f.GetName()] = true
	}
	for _, name := range []string{"mesh_api_request_duration_seconds", "mesh_transport_requests_total", "mesh_watchers"} {
		if !found[name] {
			t.Errorf("no metric %s", name)
		}
	}
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := New(Deps{}); err == nil || !strings.Contains(err.Error(), "Deps.Name") {
		t.Errorf("empty: %v", err)
	}
}

// Health tells not ready; reflection lists the services.
func TestReadiness(t *testing.T) {
	waiting := []string{"projection"}
	m := newMesh(t, func(d *Deps) { d.Ready = func() []string { return waiting } })
	if r := m.want(503, "GET", "/readyz", ""); r.doc["code"] != "not_ready" || r.header.Get(headerRetryAfter) == "" {
		t.Errorf("readyz: %s", r)
	}
	if got := m.want(200, "POST", "/grpc.health.v1.Health/Check", `{}`, "Content-Type", "application/json"); !strings.Contains(got.body, "NOT_SERVING") {
		t.Errorf("health: %s", got)
	}
	waiting = nil
	m.want(200, "GET", "/readyz", "")
	if r := m.want(200, "GET", "/control/status", ""); r.doc["ready"] != true || r.doc["leader"] != "s1" {
		t.Errorf("status: %s", r)
	}
}
