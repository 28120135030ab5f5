package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// LogConfig says how log lines look and which are written.
type LogConfig struct {
	// Format is text or json.
	Format string
	// Level is as [Levels.Set] takes it.
	Level string
}

// DefaultLogConfig is for a person at a terminal.
func DefaultLogConfig() LogConfig { return LogConfig{Format: "text", Level: "info"} }

// Validate reports what is wrong and what is allowed.
func (c LogConfig) Validate() error {
	if c.Format != "text" && c.Format != "json" {
		return fmt.Errorf("log format is %q (allowed: text, json)", c.Format)
	}
	return new(Levels).Set(c.Level)
}

// Identity is whose lines they are; empty fields are left out.
type Identity struct {
	// Role is server, agent or dev.
	Role    string
	Node    string
	Cluster string
}

// NewLogger returns a logger that writes to w, and its levels.
func NewLogger(w io.Writer, cfg LogConfig, who Identity) (*slog.Logger, *Levels, error) {
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	levels := &Levels{}
	if err := levels.Set(cfg.Level); err != nil {
		return nil, nil, err
	}
	// The handler below lets everything pass: the levels decide above it.
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if cfg.Format == "json" {
		h = slog.NewJSONHandler(w, opts)
	}
	logger := slog.New(&handler{next: h, levels: levels})
	for _, f := range []struct{ key, value string }{{"role", who.Role}, {"node", who.Node}, {"cluster", who.Cluster}} {
		if f.value != "" {
			logger = logger.With(f.key, f.value)
		}
	}
	return logger, levels, nil
}

// handler asks the levels of its component before it hands a line on.
type handler struct {
	next      slog.Handler
	levels    *Levels
	component string
	grouped   bool // attributes are inside a group: none names the component
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.of(h.component)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error { return h.next.Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == componentKey && !h.grouped {
			c.component = a.Value.String()
		}
	}
	return &c
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.next, c.grouped = h.next.WithGroup(name), true
	return &c
}
