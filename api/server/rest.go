package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"connectrpc.com/connect"
)

// REST is a second door to the handlers of the RPCs: a route names an RPC, how
// its request is read from path, query and body, and how its answer is written.
// The routes are matched here and not by net/http's mux, which knows no path
// like {id}:cordon.

// prefixes are the two roots of all routes; the second is for older callers.
func prefixes() []string { return []string{"/control/", "/omnirelay/control/"} }

// rest holds the routes.
type rest struct {
	routes []route
}

// route is one method of one path.
type route struct {
	method string
	// segments of the path below a prefix; "{name}" takes any one segment.
	segments []string
	// verb after the last segment's colon, empty without one.
	verb  string
	serve func(*exchange)
}

// exchange is one request and its answer.
type exchange struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	path map[string]string
	q    *query
}

// add adds a route of "METHOD path:verb", the path below a prefix.
func (rt *rest) add(pattern string, serve func(*exchange)) {
	method, path, _ := strings.Cut(pattern, " ")
	path, verb, _ := strings.Cut(path, ":")
	rt.routes = append(rt.routes, route{method: method, segments: strings.Split(path, "/"), verb: verb, serve: serve})
}

// match finds the route of a path; allowed are the methods of the path.
func (rt *rest) match(method string, segments []string, verb string) (found *route, path map[string]string, allowed []string) {
	for i := range rt.routes {
		r := &rt.routes[i]
		params, ok := r.params(segments, verb)
		if !ok {
			continue
		}
		allowed = append(allowed, r.method)
		// The first route of a path wins: what is spelled out stands before what
		// takes any segment.
		if found == nil && (r.method == method || (method == http.MethodHead && r.method == http.MethodGet)) {
			found, path = r, params
		}
	}
	return found, path, allowed
}

func (r *route) params(segments []string, verb string) (map[string]string, bool) {
	if len(segments) != len(r.segments) || verb != r.verb {
		return nil, false
	}
	params := map[string]string{}
	for i, want := range r.segments {
		switch {
		case strings.HasPrefix(want, "{"):
			params[strings.Trim(want, "{}")] = segments[i]
		case want != segments[i]:
			return nil, false
		}
	}
	return params, true
}

// splitPath returns the segments below a prefix and the verb; false when the
// path is below none.
func splitPath(escaped string) (segments []string, verb string, ok bool) {
	for _, prefix := range prefixes() {
		below, found := strings.CutPrefix(escaped, prefix)
		if !found || below == "" {
			continue
		}
		if i := strings.LastIndexByte(below, ':'); i > strings.LastIndexByte(below, '/') {
			below, verb = below[:i], below[i+1:]
		}
		for one := range strings.SplitSeq(below, "/") {
			segment, err := url.PathUnescape(one)
			if err != nil || segment == "" {
				return nil, "", false
			}
			segments = append(segments, segment)
		}
		return segments, verb, true
	}
	return nil, "", false
}

// ServeHTTP implements [http.Handler] for all that is no RPC.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	segments, verb, ok := splitPath(r.URL.EscapedPath())
	if !ok {
		s.refusePath(w, r, noPath(r))
		return
	}
	found, path, allowed := s.rest.match(r.Method, segments, verb)
	switch {
	case found != nil:
		found.serve(&exchange{s: s, w: w, r: r, path: path, q: newQuery(r.URL.RawQuery)})
	case len(allowed) > 0:
		slices.Sort(allowed)
		list := strings.Join(slices.Compact(allowed), ", ")
		w.Header().Set("Allow", list)
		s.refusePath(w, r, reasoned(connect.CodeInvalidArgument, reasonMethod, "%s is not allowed on %s; allowed: %s", r.Method, r.URL.Path, list))
	default:
		s.refusePath(w, r, noPath(r))
	}
}

// refusePath answers a request that no route is for.
func (s *Server) refusePath(w http.ResponseWriter, r *http.Request, f *failure) {
	s.unheardPath(r, f)
	s.writeProblem(w, r, f)
}

func noPath(r *http.Request) *failure {
	return reasoned(connect.CodeNotFound, reasonPath, "there is nothing at %.200q", r.URL.Path)
}

// answer is what a route writes for an RPC's answer.
type answer struct {
	status int
	body   []byte
	header map[string]string
}

// endpoint makes a route of a unary RPC: bind reads the request, render writes
// the answer.
func endpoint[Q, R any, M message[Q]](procedure string, fn unaryFunc[Q, R], bind func(*exchange, *Q) error, render func(*exchange, *Q, *R) answer) func(*exchange) {
	return func(x *exchange) {
		s, q := x.s, new(Q)
		c := &call{method: s.methodOf(procedure), protocol: protocolREST, encoding: encodingJSON, header: x.r.Header}
		c.bind = func() error {
			if err := bind(x, q); err != nil {
				return err
			}
			return x.q.done()
		}
		var res *R
		err := s.unary(x.r.Context(), c, M(q), func(ctx context.Context) (err error) {
			res, err = fn(ctx, q)
			return err
		})
		switch {
		case errors.Is(err, errNotModified):
			s.writeHeaders(x.w.Header(), c)
			x.w.WriteHeader(http.StatusNotModified)
		case err != nil:
			s.writeProblem(x.w, x.r, err)
		default:
			x.write(c, render(x, q, res))
		}
	}
}

// write answers with JSON.
func (x *exchange) write(c *call, a answer) {
	h := x.w.Header()
	x.s.writeHeaders(h, c)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	for name, value := range a.header {
		h.Set(name, value)
	}
	x.w.WriteHeader(a.status)
	_, _ = x.w.Write(append(a.body, '\n')) // who does not hear it has gone
}
