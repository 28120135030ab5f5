package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/api/auth"
)

// The chain is the way of every call to its handler. Its steps are run here, in
// this order, by calls of all protocols; Connect's own interceptors are not
// used, for REST and SSE have none.
//
//	recover → request id → metrics → authentication → authorization → validation
//
// A message of a client's stream passes validation when it is received.

// unary runs the chain for a call with one message, and then the handler. The
// error is nil or a [*connect.Error] with its detail and headers.
func (s *Server) unary(ctx context.Context, c *call, msg proto.Message, handle func(context.Context) error) (err error) {
	started := time.Now()
	heard(ctx)
	defer func() {
		err = s.finish(c, msg, recover(), err)
		s.metrics.ended(c, started, codeWord(err), false)
	}()
	ctx, err = s.admit(ctx, c)
	if err != nil {
		return err
	}
	if err := s.admitMessage(c, msg); err != nil {
		return err
	}
	return handle(ctx)
}

// admitMessage is the part of the chain that needs the message.
func (s *Server) admitMessage(c *call, msg proto.Message) error {
	if c.bind != nil {
		if err := c.bind(); err != nil {
			return err
		}
	}
	return s.validate(msg)
}

// stream runs the chain for a stream. msg is the one message of a stream that
// the server sends; nil for a stream in both directions.
func (s *Server) stream(ctx context.Context, c *call, msg proto.Message, handle func(context.Context) error) (err error) {
	started := time.Now()
	heard(ctx)
	defer bound(ctx, s.writeWait)()
	defer func() {
		err = s.finish(c, msg, recover(), err)
		s.metrics.ended(c, started, codeWord(err), true)
	}()
	ctx, err = s.admit(ctx, c)
	if err != nil {
		return err
	}
	if msg != nil {
		if err := s.admitMessage(c, msg); err != nil {
			return err
		}
	}
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return tooMany("watchers_exhausted", "this server has %d streams open, which is its limit", MaxWatchers)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.stopping, func() { cancel(errStopping) })()
	if err = handle(ctx); errors.Is(context.Cause(ctx), errStopping) {
		return unavailable("stopping", "this server is stopping; resume elsewhere")
	}
	return err
}

// errStopping ends the streams of a server that stops.
var errStopping = errors.New("the server is stopping")

// Stop ends all streams, which are told to resume elsewhere. A graceful
// shutdown of the HTTP server waits for them, so it comes first.
func (s *Server) Stop() { s.stop() }

// admit is the part of the chain that needs no message.
func (s *Server) admit(ctx context.Context, c *call) (context.Context, error) {
	c.requestID = s.requestID(c.header.Get(headerRequestID))
	id, err := s.deps.Authenticator.Authenticate(ctx, c.header)
	if err != nil {
		return ctx, err
	}
	c.identity = id
	if !id.Allows(c.method.scope) {
		return ctx, forbidden(id, c.method)
	}
	if err := s.checkLog(c.header.Get(headerLog)); err != nil {
		return ctx, err
	}
	return withCall(ctx, c), nil
}

// finish turns whatever came of a call into its error, and records a refusal.
func (s *Server) finish(c *call, msg proto.Message, panicked any, err error) error {
	if panicked != nil {
		s.deps.Logger.Error("handler panicked", slog.String("method", c.method.name),
			slog.String("request", c.requestID), slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		err = internal(fmt.Errorf("the handler of %s panicked", c.method.name))
	}
	if err == nil || errors.Is(err, errNotModified) || errors.Is(err, errHeadersAlone) {
		return err
	}
	s.refused(c, c.method, msg, err)
	e := s.asConnect(err)
	s.writeHeaders(e.Meta(), c)
	if e.Code() == connect.CodeInternal || e.Code() == connect.CodeUnknown {
		s.deps.Logger.Error("call failed", slog.String("method", c.method.name),
			slog.String("request", c.requestID), slog.String("error", err.Error()))
	}
	return e
}

// requestID keeps a caller's request id, if it is one, or makes one.
func (s *Server) requestID(given string) string {
	if given != "" && len(given) <= MaxReference && !strings.ContainsFunc(given, unprintable) {
		return given
	}
	return s.idPrefix + strconv.FormatUint(s.ids.Add(1), 36)
}

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f }

// checkLog refuses a request that means another log: its positions would name
// other events here.
func (s *Server) checkLog(given string) error {
	if given == "" {
		return nil
	}
	if own, _ := s.logName(); own != "" && given != own {
		return logMismatch("the request is about log %.100q, this is log %q", given, own)
	}
	return nil
}

func codeWord(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errNotModified):
		return "not_modified"
	case errors.Is(err, errHeadersAlone):
		return "ok"
	}
	return connect.CodeOf(err).String()
}

func forbidden(id auth.Identity, m *method) error {
	return reasoned(connect.CodePermissionDenied, "scope_missing", "%s needs the scope %s, which %s does not have",
		m.name, auth.ScopeName(m.scope), id.Actor)
}
