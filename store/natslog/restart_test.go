package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// settle publishes until the outcome is known, as a sequencer does.
func settle(t *testing.T, s *natslog.Store, expect uint64, data []byte) {
	t.Helper()
	ctx := deadline(t)
	for {
		err := s.Publish(ctx, expect, data)
		if err == nil {
			return
		}
		m, lerr := s.Load(ctx, expect+1)
		if lerr == nil && string(m.Data) == string(data) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("message %d: %v; then %v", expect+1, err, lerr)
		}
	}
}

func TestRestartUnderTraffic(t *testing.T) {
	const n, restarts = 1500, 3
	cfg := small(t.TempDir())
	cfg.TailFrames = 16 // the second follower reads from the server
	s := open(t, cfg)
	follow := func(from uint64, done chan<- error) {
		next := from
		err := s.Follow(deadline(t), from, func(m store.Message) error {
			if m.Sequence != next || string(m.Data) != fmt.Sprint("message ", next) {
				return fmt.Errorf("message %d %q; want %d", m.Sequence, m.Data, next)
			}
			if next++; next > n {
				return errEnough
			}
			return nil
		})
		done <- err
	}
	done := make(chan error, 2)
	go follow(1, done)
	restarted := make(chan error, 1)
	for i := uint64(1); i <= n; i++ {
		restart := i%(n/(restarts+1)) == 0 && i < n
		if restart {
			go func() { restarted <- s.Restart() }()
		}
		settle(t, s, i-1, []byte(fmt.Sprint("message ", i)))
		if i == n/2 {
			go follow(1, done)
		}
		if restart {
			if err := <-restarted; err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if err := <-done; !errors.Is(err, errEnough) {
			t.Error(err)
		}
	}
}

func TestRegisterSurvivesRestart(t *testing.T) {
	s := open(t, small(t.TempDir()))
	version, err := s.Register().Write(deadline(t), 0, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	for ctx := deadline(t); ; {
		got, data, err := s.Register().Read(ctx)
		if err == nil && (got != version || string(data) != "a") {
			t.Fatalf("Read() = %d, %q; want %d, a", got, data, version)
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Register().Write(deadline(t), version, []byte("b")); err != nil {
		t.Fatal(err)
	}
}

// TestRequestEndsWithItsConnection: the client waits on for an answer that nobody
// can give any more; the request does not.
func TestRequestEndsWithItsConnection(t *testing.T) {
	s := open(t, small(t.TempDir()))
	ctx, cancel := s.Request(deadline(t))
	defer cancel()
	s.StopServer()
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, nats.ErrDisconnected) {
		t.Errorf("it ended because: %v", cause)
	}
	if err := s.StartServer(); err != nil {
		t.Fatal(err)
	}
	after, end := s.Request(deadline(t))
	defer end()
	eventually(t, "the log is read again", func() bool {
		_, err := s.Last(t.Context())
		return err == nil
	})
	if after.Err() != nil {
		t.Errorf("a request after that ended: %v", context.Cause(after))
	}
}

var errEnough = errors.New("enough")
