package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

// maxLine bounds the body of a request.
const maxLine = 1 << 10

type resourceConfig struct{ listen, data string }

func (c *resourceConfig) flags(f *flag.FlagSet) {
	f.StringVar(&c.listen, "listen", "127.0.0.1:9000", "`ADDRESS` to listen on")
	f.StringVar(&c.data, "data", "", "`DIRECTORY` of the lines and the fences")
}

// resource appends lines to a file, each with the fence that it came with.
type resource struct {
	mu   sync.Mutex
	file *os.File
}

func runResource(ctx context.Context, c resourceConfig) error {
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return err
	}
	fences, err := member.OpenFenceFile(filepath.Join(c.data, "fences"))
	if err != nil {
		return err
	}
	defer fences.Close() //nolint:errcheck // all was saved
	guard, err := member.NewFenceGuard(fences)
	if err != nil {
		return err
	}
	file, err := openLines(filepath.Join(c.data, "lines"))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // every line was synced
	guarded := member.FenceHandler(guard, &resource{file: file}, member.FenceRules{
		Scope: func(*http.Request) string { return scope },
	})
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: logged(guarded), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openLines opens the file and cuts a line off that was being written when the
// process died; nobody was told that it was written.
func openLines(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	if err == nil {
		err = file.Truncate(int64(bytes.LastIndexByte(data, '\n') + 1))
	}
	if err != nil {
		file.Close() //nolint:errcheck // nothing was written
		return nil, err
	}
	return file, nil
}

// ServeHTTP implements http.Handler: GET reads all lines, POST appends one.
func (s *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		http.ServeFile(w, r, s.file.Name())
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLine))
	if err == nil && (len(text) == 0 || bytes.ContainsAny(text, "\r\n")) {
		err = errors.New("the body is no line (allowed: one line of text)")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.append(r.Context(), text); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

func (s *resource) append(ctx context.Context, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A higher fence waits for this to end, so it ends soon.
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	token, _ := member.TokenOf(ctx)
	if _, err := s.file.Write(fmt.Appendf(nil, "%d %s\n", token.Fence, text)); err != nil {
		return err
	}
	return s.file.Sync()
}

// logged prints what was refused.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &status{ResponseWriter: w}
		next.ServeHTTP(s, r)
		if s.code >= http.StatusBadRequest {
			fmt.Println("refused", r.Method, s.code, "fence", r.Header.Get(member.HeaderFence))
		}
	})
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets the guard set deadlines.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
