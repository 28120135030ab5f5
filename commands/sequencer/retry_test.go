package sequencer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omnirelay/omnirelay/store/memlog"
)

// lostLog gives no ack while lost is set.
type lostLog struct {
	*memlog.Log
	lost atomic.Bool
}

func (l *lostLog) Publish(ctx context.Context, expect uint64, data []byte) error {
	if l.lost.Load() {
		return errors.New("no disk")
	}
	return l.Log.Publish(ctx, expect, data)
}

// TestTellsOnce: a publish that is repeated for a long while is news once, and
// once more when it succeeds: a full disk gets no log of its own.
func TestTellsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lostLog{Log: memlog.New(nil)}
		opts := options(l, memlog.NewRegister(nil))
		var lines bytes.Buffer
		opts.Logger = slog.New(slog.NewTextHandler(&lines, nil))
		s := running(opts)
		l.lost.Store(true)
		ended := make(chan error, 1)
		go func() {
			_, err := s.Submit(t.Context(), label("v"))
			ended <- err
		}()
		waitTimer(10 * time.Second)
		l.lost.Store(false)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(lines.String(), "publish has"); n != 2 {
			t.Errorf("%d lines:\n%s", n, lines.String())
		}
	})
}
