package member

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// FenceRules say which requests of a resource need which token. The zero value
// asks for one of any scope with every method that is not safe.
type FenceRules struct {
	// Scope is the scope that the request's resource belongs to; a token of
	// another is refused. nil, and "", believe the request, which is right only
	// when every caller may act for every scope.
	Scope func(*http.Request) string
	// Optional reports that a request may come without a token; with one it is
	// guarded all the same. nil: GET, HEAD, OPTIONS and TRACE.
	Optional func(*http.Request) bool
	// Wait bounds the wait for operations of lower fences; 0 is
	// [DefaultFenceWait].
	Wait time.Duration
}

// FenceHandler lets requests through to next as [FenceGuard.Do] does: of one
// scope never two of different fences at once, and none with a stale one. The
// request's context then carries the token, for [TokenOf], and ends when a higher
// fence comes, which also interrupts the reading of its body.
//
// Refusals are application/problem+json: 409 stale_fence (with [StaleFence] in
// the headers) and wrong_scope, 400 invalid_field, 429 scopes_exhausted, 503
// fence_busy and fence_not_kept.
func FenceHandler(guard *FenceGuard, next http.Handler, rules FenceRules) http.Handler {
	if rules.Optional == nil {
		rules.Optional = func(r *http.Request) bool { return safeMethod(r.Method) }
	}
	if rules.Scope == nil {
		rules.Scope = func(*http.Request) string { return "" }
	}
	if rules.Wait == 0 {
		rules.Wait = DefaultFenceWait
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, given, err := wantFence(r.Header, rules.Scope(r), rules.Optional(r))
		switch {
		case err != nil:
			writeFenceProblem(w, r, refuseFence(err))
		case !given:
			next.ServeHTTP(w, r)
		default:
			err := guard.doWithin(r.Context(), rules.Wait, token, func(ctx context.Context) error {
				serveFenced(ctx, w, r, next)
				return nil
			})
			if err != nil {
				writeFenceProblem(w, r, refuseFence(err))
			}
		}
	})
}

func safeMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// answerGrace is how long an answer that is being written when a higher fence
// comes may take: its reader may be asleep.
const answerGrace = time.Second

// serveFenced serves a request that is admitted until ctx ends.
func serveFenced(ctx context.Context, w http.ResponseWriter, r *http.Request, next http.Handler) {
	r = r.WithContext(ctx)
	body := &readBody{ReadCloser: r.Body}
	if r.Body != nil {
		r.Body = body
	}
	cut, control := make(chan struct{}), http.NewResponseController(w)
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		// Where the writer has no deadlines, the context has to do.
		if !body.over.Load() && r.Body != http.NoBody {
			_ = control.SetReadDeadline(time.Unix(1, 0))
		}
		_ = control.SetWriteDeadline(time.Now().Add(answerGrace))
	})
	defer func() {
		if stop() {
			return
		}
		<-cut // the writer is not touched after this handler
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // its reader may have stopped in the middle
		}
	}()
	next.ServeHTTP(w, r)
}

// readBody knows whether all of it was read: after that there is no read to
// interrupt, and the connection is needed for the answer.
type readBody struct {
	io.ReadCloser
	over atomic.Bool
}

// Read implements io.Reader.
func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.over.Store(true)
	}
	return n, err
}

// fenceProblemDocument is a refusal as RFC 9457 has it, with the members that
// the control plane's own have.
type fenceProblemDocument struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Instance string         `json:"instance"`
	Code     string         `json:"code"`
	Errors   []problemField `json:"errors"`
	Scope    string         `json:"scope,omitempty"`
	Fence    int64          `json:"fence,omitempty"`
	Highest  int64          `json:"highestFence,omitempty"`
}

type problemField struct {
	Field   string `json:"field"`
	Reason  string `json:"reason"`
	Allowed string `json:"allowed"`
}

func writeFenceProblem(w http.ResponseWriter, r *http.Request, f *fenceRefusal) {
	doc := fenceProblemDocument{
		Type: "urn:omnirelay:problem:" + f.detail.GetReason(), Title: http.StatusText(f.status), Status: f.status,
		Detail: f.cause.Error(), Instance: r.URL.Path, Code: f.detail.GetReason(), Errors: []problemField{},
	}
	for _, v := range f.detail.GetFields() {
		doc.Errors = append(doc.Errors, problemField{Field: v.GetField(), Reason: v.GetReason(), Allowed: v.GetAllowed()})
	}
	if f.stale != nil {
		doc.Scope, doc.Fence, doc.Highest = f.stale.Scope, f.stale.Fence, f.stale.Highest
	}
	f.describe(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(doc) // who does not hear it has gone
}
