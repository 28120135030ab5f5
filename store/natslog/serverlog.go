package natslog

import (
	"fmt"
	"log/slog"
	"sync/atomic"
)

// serverLog hands what the embedded server says to slog. The server calls Fatalf
// when it cannot go on and expects the process to end there; here the error is
// kept, and whoever started the server asks for it.
type serverLog struct {
	log   *slog.Logger
	fatal atomic.Pointer[fatalError]
}

// fatalError is what the server said before it would have ended the process.
type fatalError struct{ text string }

func (e *fatalError) Error() string { return "embedded NATS server: " + e.text }

// Noticef is debug: the server's notices are about itself, not about us.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

func (l *serverLog) Warnf(format string, v ...any) { l.log.Warn(fmt.Sprintf(format, v...)) }

func (l *serverLog) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }

func (l *serverLog) Fatalf(format string, v ...any) {
	e := &fatalError{fmt.Sprintf(format, v...)}
	l.fatal.CompareAndSwap(nil, e)
	l.log.Error(e.text)
}

func (l *serverLog) Debugf(string, ...any) {}

func (l *serverLog) Tracef(string, ...any) {}
