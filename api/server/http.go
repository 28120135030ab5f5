package server

import (
	"net/http"
	"time"
)

// HTTPServer returns a server of HTTP/1.1 and of HTTP/2 without TLS (prior
// knowledge) on one port. Its caller listens, serves and shuts it down.
func HTTPServer(h http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// A watcher is a stream that stays; the default of 250 would let few share
		// a connection.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}
