package member_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

// right is a holder whose clock a test turns.
type right struct {
	token  member.FencingToken
	ctx    context.Context
	cancel context.CancelCauseFunc
	mu     sync.Mutex
	lapsed error // guarded by mu: what Check says, though ctx has not ended
}

func newRight(scope string, fence int64) *right {
	r := &right{token: member.FencingToken{Scope: scope, Fence: fence}}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r
}

func (r *right) Token() member.FencingToken { return r.token }
func (r *right) Permit() context.Context    { return r.ctx }

func (r *right) Check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lapsed
}

func (r *right) lapse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lapsed = member.ErrLeaseEnded
}

// serve starts a resource, for HTTP/1 and HTTP/2.
func serve(t testing.TB, h http.Handler) (url string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// transport is a client's own, of one version of HTTP.
func transport(t testing.TB, version int) *http.Transport {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(version == 1)
	tr.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func send(t testing.TB, tr http.RoundTripper, method, url string, body io.Reader, header http.Header) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	res, err := tr.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

// TestFenceHandlerAnswers: what is let in, and what refusals look like.
func TestFenceHandlerAnswers(t *testing.T) {
	t.Parallel()
	g := guard(t, nil)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := member.TokenOf(r.Context())
		fmt.Fprintf(w, "%s", token) //nolint:errcheck // the test reads it
	})
	url := serve(t, member.FenceHandler(g, echo, member.FenceRules{
		Scope: func(r *http.Request) string { return strings.Trim(r.URL.Path, "/") },
	}))
	const scope, fence = member.HeaderFenceScope, member.HeaderFence
	for _, step := range []struct {
		method string
		header http.Header
		status int
		want   string // the body, or the problem's code
	}{
		{"POST", http.Header{scope: {"jobs"}, fence: {"7"}}, 200, "jobs fence 7"},
		{"GET", nil, 200, " fence 0"},
		{"GET", http.Header{scope: {"jobs"}, fence: {"8"}}, 200, "jobs fence 8"},
		{"POST", http.Header{scope: {"jobs"}, fence: {"7"}}, 409, "stale_fence"},
		{"GET", http.Header{scope: {"jobs"}, fence: {"7"}}, 409, "stale_fence"},
		{"POST", http.Header{scope: {"other"}, fence: {"99"}}, 409, "wrong_scope"},
		{"POST", nil, 400, "invalid_field"},
		{"POST", http.Header{scope: {"jobs"}}, 400, "invalid_field"},
		{"POST", http.Header{fence: {"9"}}, 400, "invalid_field"},
		{"POST", http.Header{scope: {"jobs"}, fence: {"9", "10"}}, 400, "invalid_field"},
		{"POST", http.Header{scope: {"jobs"}, fence: {"0"}}, 400, "invalid_field"},
		{"POST", http.Header{scope: {"jobs"}, fence: {"9e3"}}, 400, "invalid_field"},
		{"GET", http.Header{scope: {"jobs/"}, fence: {"9"}}, 400, "invalid_field"},
	} {
		res, body, err := send(t, transport(t, 1), step.method, url+"/jobs", nil, step.header)
		if err != nil {
			t.Fatal(err)
		}
		var problem struct {
			Code, Detail string
			Status       int
			Scope        string
			Fence        int64
			HighestFence int64
			Errors       []struct{ Field, Reason, Allowed string }
		}
		got := body
		if res.StatusCode != 200 {
			if kind := res.Header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("content type %s", kind)
			}
			if err := json.Unmarshal([]byte(body), &problem); err != nil {
				t.Fatal(err, body)
			}
			got = problem.Code
		}
		if res.StatusCode != step.status || got != step.want || problem.Code != "" && problem.Status != step.status {
			t.Errorf("%s %v: %d %s, want %d %s", step.method, step.header, res.StatusCode, body, step.status, step.want)
		}
		if step.status == 400 && (len(problem.Errors) != 1 || problem.Errors[0].Allowed == "") {
			t.Errorf("%v: %s names no field", step.header, body)
		}
		stale, ok := member.StaleFence(res.Header)
		if ok != (step.want == "stale_fence") {
			t.Errorf("%s %v: StaleFence says %v", step.method, step.header, ok)
		}
		if ok && (*stale != member.StaleFenceError{Scope: "jobs", Fence: 7, Highest: 8} || problem.HighestFence != 8 || problem.Fence != 7) {
			t.Errorf("stale: %+v, %s", stale, body)
		}
	}
}

// TestFenceHandlerSleepingUpload: a holder that falls asleep in the middle of a
// request does not hold its successor up, and its request fails.
func TestFenceHandlerSleepingUpload(t *testing.T) {
	t.Parallel()
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP%d", version), func(t *testing.T) {
			t.Parallel()
			begun := make(chan struct{}, 2)
			var mu sync.Mutex
			var stored []string
			url := serve(t, member.FenceHandler(guard(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun <- struct{}{}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				stored = append(stored, string(body))
			}), member.FenceRules{}))
			asleep, pen := io.Pipe()
			old := make(chan error, 1)
			go func() {
				res, body, err := send(t, member.FenceTransport(newRight("jobs", 1), transport(t, version)), "POST", url, asleep, nil)
				if err == nil && res.StatusCode == 200 {
					err = fmt.Errorf("accepted: %s", body)
				} else {
					err = nil
				}
				old <- err
			}()
			if _, err := pen.Write([]byte("half of")); err != nil {
				t.Fatal(err)
			}
			<-begun
			res, body, err := send(t, member.FenceTransport(newRight("jobs", 2), transport(t, version)), "POST", url, strings.NewReader("new"), nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("the successor: %v %s %v", res, body, err)
			}
			go func() {
				_, _ = pen.Write([]byte(" the old")) // the other end may be gone
				_ = pen.Close()
			}()
			if err := <-old; err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(stored) != 1 || stored[0] != "new" {
				t.Errorf("stored %q", stored)
			}
		})
	}
}

// TestFenceHandlerBusy: a handler that does not heed its context holds up the
// next fence, who is told so in time; requests of one fence go side by side.
func TestFenceHandlerBusy(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	url := serve(t, member.FenceHandler(guard(t, nil), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- struct{}{}
			<-finish
		}
	}), member.FenceRules{Wait: 50 * time.Millisecond}))
	post := func(fence int64, path string) (int, http.Header) {
		res, _, err := send(t, member.FenceTransport(newRight("jobs", fence), transport(t, 1)), "POST", url+path, nil, nil)
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		return res.StatusCode, res.Header
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { post(1, "/slow") })
	}
	<-begun
	<-begun
	if status, h := post(2, "/"); status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("while the old one runs: %d %v", status, h)
	}
	if status, _ := post(1, "/"); status != 409 {
		t.Errorf("the old one again: %d", status)
	}
	close(finish)
	wg.Wait()
	if status, _ := post(2, "/"); status != 200 {
		t.Errorf("after the old ones: %d", status)
	}
}

// TestFenceTransport: nothing is sent, and nothing more, for a right that has
// ended (L6), though no context has heard of it yet.
func TestFenceTransport(t *testing.T) {
	t.Parallel()
	received := make(chan string, 4)
	begun := make(chan struct{})
	url := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			close(begun)
			<-r.Context().Done()
			return
		}
		if body, err := io.ReadAll(r.Body); err == nil {
			received <- r.Header.Get(member.HeaderFenceScope) + " " + r.Header.Get(member.HeaderFence) + " " + string(body)
		}
	}))
	holder := newRight("jobs", 5)
	tr := member.FenceTransport(holder, transport(t, 1))
	given := http.Header{member.HeaderFence: {"99"}} // the right's own goes
	if _, _, err := send(t, tr, "POST", url, strings.NewReader("one"), given); err != nil {
		t.Fatal(err)
	}
	if got := <-received; got != "jobs 5 one" {
		t.Errorf("received %q", got)
	}
	if len(given) != 1 || given.Get(member.HeaderFence) != "99" {
		t.Errorf("the caller's headers became %v", given)
	}

	// The lease ends in the middle of the body.
	body, pen := io.Pipe()
	result := make(chan error, 1)
	go func() {
		_, _, err := send(t, tr, "POST", url, body, nil)
		result <- err
	}()
	if _, err := pen.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	holder.lapse()
	go func() { _, _ = pen.Write([]byte("more")) }() // one read may be on its way
	go func() { _, _ = pen.Write([]byte("more")) }()
	if err := <-result; !errors.Is(err, member.ErrLeaseEnded) {
		t.Errorf("in the middle of the body: %v", err)
	}
	_ = body.Close()
	if _, _, err := send(t, tr, "POST", url, strings.NewReader("two"), nil); !errors.Is(err, member.ErrLeaseEnded) {
		t.Errorf("after the lease: %v", err)
	}
	select {
	case got := <-received:
		t.Errorf("received %q", got)
	default:
	}

	// In flight when the right ends.
	other := newRight("jobs", 6)
	go func() {
		_, _, err := send(t, member.FenceTransport(other, transport(t, 1)), "POST", url+"/hang", nil, nil)
		result <- err
	}()
	<-begun
	other.cancel(member.ErrDeposed)
	if err := <-result; !errors.Is(err, member.ErrDeposed) && !errors.Is(err, context.Canceled) {
		t.Errorf("in flight: %v", err)
	}
}
