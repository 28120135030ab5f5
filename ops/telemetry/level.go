package telemetry

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// componentKey is the attribute by which a component's level is found.
const componentKey = "component"

// maxComponents bounds the components that have a level of their own.
const maxComponents = 64

// Levels holds the least level that is written, for all and by component. Safe
// for concurrent use.
type Levels struct {
	mu   sync.RWMutex
	all  slog.Level            // guarded by mu
	some map[string]slog.Level // guarded by mu
}

// Set takes levels such as "info" or "info,nats=warn,api=debug". On an error
// nothing changes.
func (l *Levels) Set(text string) error {
	all, some := slog.LevelInfo, map[string]slog.Level{}
	for part := range strings.SplitSeq(text, ",") {
		name, word, scoped := strings.Cut(strings.TrimSpace(part), "=")
		if !scoped {
			name, word = "", name
		}
		level, err := parseLevel(word)
		if err != nil {
			return err
		}
		if scoped {
			some[name] = level
		} else {
			all = level
		}
	}
	if len(some) > maxComponents {
		return fmt.Errorf("log level names %d components (allowed: at most %d)", len(some), maxComponents)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all, l.some = all, some
	return nil
}

func parseLevel(word string) (slog.Level, error) {
	switch word {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level is %q (allowed: debug, info, warn, error, and component=level after a comma)", word)
}

// of is the level of a component; "" is all others.
func (l *Levels) of(component string) slog.Level {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if level, ok := l.some[component]; ok {
		return level
	}
	return l.all
}
