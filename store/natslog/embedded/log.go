package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
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

func (l *serverLog) Warnf(format string, v ...any) { l.tell(slog.LevelWarn, format, v) }

func (l *serverLog) Errorf(format string, v ...any) { l.tell(slog.LevelError, format, v) }

// expected knows, by how it begins, what a server of a cluster says at every start,
// and for as long as another one is down. Package natslog says it once, and in our words.
// That a later release words it otherwise costs a few lines.
func expected(text string) bool {
	for _, beginning := range []string{
		"Error trying to connect to route", "Waiting for routing to be established",
		"JetStream has not established contact with a meta leader", "JetStream is not current with the meta leader",
		"Metalayer blocking snapshot",
		"Plaintext passwords detected", // ours, of one process, which it alone can use
	} {
		if strings.HasPrefix(text, beginning) {
			return true
		}
	}
	return false
}

func (l *serverLog) tell(level slog.Level, format string, v []any) {
	text := fmt.Sprintf(format, v...)
	if expected(text) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, text)
}

func (l *serverLog) Fatalf(format string, v ...any) {
	e := &fatalError{fmt.Sprintf(format, v...)}
	l.fatal.CompareAndSwap(nil, e)
	l.log.Error(e.text)
}

func (l *serverLog) Debugf(string, ...any) {}

func (l *serverLog) Tracef(string, ...any) {}
