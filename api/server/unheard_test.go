package server

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// What is refused before the chain, by the router or by Connect, leaves one
// record with who asked for what (A6); what is answered leaves none.
func TestUnheardCallsLeaveARecord(t *testing.T) {
	k := &kept{}
	m := newMesh(t, func(d *Deps) { d.Refusals = k })
	send := func(method, path, kind string, body []byte) func() {
		return func() {
			req, err := http.NewRequestWithContext(t.Context(), method, m.url+path, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", kind)
			req.Header.Set("X-Mesh-Actor", "user/ann")
			req.Header.Set(headerCorrelation, "trace-1")
			res, err := m.h1.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}
	const list, watch = controlv1.ShardControlServiceListProcedure, controlv1.ShardControlServiceWatchProcedure
	envelope := func(message string) []byte {
		return append([]byte{0, 0, 0, 0, byte(len(message))}, message...)
	}
	large := bytes.Repeat([]byte{' '}, MaxBody+1)
	for _, c := range []struct {
		name string
		do   func()
		want []string
	}{
		{"no path", send("GET", "/nothing/here", "", nil), []string{"user/ann GET /nothing/here path_not_found trace-1"}},
		{"no route", send("POST", "/control/nothing", "application/json", nil), []string{"user/ann POST /control/nothing path_not_found trace-1"}},
		{"no RPC", send("POST", "/omnirelay.mesh.control.v1.Nothing/Here", "application/json", []byte("{}")),
			[]string{"user/ann POST /omnirelay.mesh.control.v1.Nothing/Here path_not_found trace-1"}},
		{"a method that a path has not", send("DELETE", "/control/peers", "", nil), []string{"user/ann DELETE /control/peers method_not_allowed trace-1"}},
		{"a long path", send("GET", "/"+strings.Repeat("a", 1000), "", nil),
			[]string{"user/ann GET /" + strings.Repeat("a", MaxReference-len("GET /")) + " path_not_found trace-1"}},
		{"a method that an RPC has not", send("PUT", list, "application/json", nil), []string{"user/ann ShardControlService/List method_not_allowed trace-1"}},
		{"a codec that is none", send("POST", list, "application/yaml", nil), []string{"user/ann ShardControlService/List media_type_unsupported trace-1"}},
		{"bad JSON", send("POST", list, "application/json", []byte(`{"namespace":`)), []string{"user/ann ShardControlService/List invalid_argument trace-1"}},
		{"bad proto", send("POST", list, "application/proto", []byte{0xff}), []string{"user/ann ShardControlService/List invalid_argument trace-1"}},
		{"too large", send("POST", list, "application/json", large), []string{"user/ann ShardControlService/List resource_exhausted trace-1"}},
		{"too large over REST", send("POST", "/control/namespaces", "application/json", large),
			[]string{"user/ann NamespaceControlService/CreateNamespace body_too_large trace-1"}},
		{"bad JSON of a stream", send("POST", watch, "application/connect+json", envelope(`{"namespace":`)),
			[]string{"user/ann ShardControlService/Watch invalid_argument trace-1"}},
		{"bad proto over gRPC-Web", send("POST", list, "application/grpc-web+proto", envelope("\xff")),
			[]string{"user/ann ShardControlService/List invalid_argument trace-1"}},
		{"an unknown compression over gRPC", func() {
			req, _ := http.NewRequestWithContext(t.Context(), "POST", m.url+list, bytes.NewReader(envelope("")))
			req.Header.Set("Content-Type", "application/grpc")
			req.Header.Set("Grpc-Encoding", "zip")
			req.Header.Set("X-Mesh-Actor", "user/ann")
			req.Header.Set(headerCorrelation, "trace-1")
			res, err := m.h2.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}, []string{"user/ann ShardControlService/List unimplemented trace-1"}},
		{"a stream in both directions over HTTP/1.1", send("POST", controlv1.ShardControlServiceLookupProcedure, "application/connect+proto", nil),
			[]string{"user/ann ShardControlService/Lookup request_unreadable trace-1"}},
		{"what is answered", func() {
			m.want(200, "GET", "/control/peers", "")
			if _, err := m.connect(m.h2, connect.WithGRPC()).shards.List(t.Context(), request(&controlv1.ShardListRequest{})); err != nil {
				t.Error(err)
			}
		}, []string{}},
	} {
		c.do()
		if diff := cmp.Diff(c.want, k.took()); diff != "" {
			t.Errorf("%s: records (-want +got)\n%s", c.name, diff)
		}
	}
}
