package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// TestRemoveTheLeaderOfTheMembership: the server that is gone may be the one that
// would have to answer; who takes it out asks until another does.
func TestRemoveTheLeaderOfTheMembership(t *testing.T) {
	cfgs := trio(t)
	s := openAll(t, cfgs...)
	leads := -1
	eventually(t, "somebody leads the membership", func() bool {
		leads = slices.IndexFunc(s, (*natslog.Store).LeadsMembership)
		return leads >= 0
	})
	other := s[(leads+1)%3]
	shutAll(t, s[leads])
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := other.RemoveServer(ctx, cfgs[leads].ServerName); err != nil {
		t.Error(err)
	}
}

// asked is a log that tells when a removal was asked for without an answer.
type asked chan struct{}

func (a asked) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("not taken out yet")) {
		select {
		case a <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// TestRemoveEndsWithTheStore: who asks for a removal that nobody answers is told that
// the store was closed.
func TestRemoveEndsWithTheStore(t *testing.T) {
	cfg, unanswered := small(t.TempDir()), make(asked, 1)
	cfg.Logger = slog.New(slog.NewTextHandler(unanswered, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := open(t, cfg)
	removed := make(chan error, 1)
	go func() { removed <- s.RemoveServer(deadline(t), "s9") }()
	<-unanswered // now it pauses
	shut(t, s)
	if err := <-removed; !errors.Is(err, store.ErrClosed) {
		t.Errorf("%v; want %v", err, store.ErrClosed)
	}
}
