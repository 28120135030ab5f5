package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// idle: starts and memory. Memory is what the kernel counts as resident, some
// seconds after the server became ready and while nobody asks it anything.
func idle(ctx context.Context, r *run) error {
	if err := r.compare(ctx, "start to ready, empty directory", seconds, atMost(seconds, 0.3), r.startMesh, r.startEtcd); err != nil {
		return err
	}
	if err := r.compare(ctx, "idle memory, empty", mebibytes, atMost(mebibytes, 80), r.idleMesh(""), r.idleEtcd); err != nil {
		return err
	}
	data, err := r.longServer(ctx)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		end  func(*mesh) error
	}{
		{"start to ready, 1 M events, after a clean stop", (*mesh).close},
		{"start to ready, 1 M events, after kill -9", func(m *mesh) error { m.client.Close(); return m.kill() }},
	} {
		if err := r.measure(ctx, c.what, seconds, atMost(seconds, 3), func(ctx context.Context) (float64, error) {
			m, err := r.meshOn(ctx, data)
			if err != nil {
				return 0, err
			}
			if err := c.end(m); err != nil {
				return 0, err
			}
			if m, err = r.meshOn(ctx, data); err != nil {
				return 0, err
			}
			return m.readyAfter.Seconds(), m.close()
		}); err != nil {
			return err
		}
	}
	return r.measure(ctx, "idle memory, 1 M events", mebibytes, goal{}, r.idleMesh(data))
}

func (r *run) startMesh(ctx context.Context) (float64, error) {
	m, err := r.newMesh(ctx)
	if err != nil {
		return 0, err
	}
	return m.readyAfter.Seconds(), m.close()
}

func (r *run) startEtcd(ctx context.Context) (float64, error) {
	s, err := r.etcdProcess(ctx)
	if err != nil {
		return 0, err
	}
	return s.readyAfter.Seconds(), s.stop()
}

// settle waits as long as an idle server may take to become so.
func (r *run) settle(ctx context.Context) error {
	return pause(ctx, 10*time.Second/time.Duration(r.scale))
}

// pause waits for a time.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idleMesh is the memory of a server on a directory; "" is a new one.
func (r *run) idleMesh(data string) side {
	return func(ctx context.Context) (float64, error) {
		var m *mesh
		var err error
		if data == "" {
			m, err = r.newMesh(ctx)
		} else {
			m, err = r.meshOn(ctx, data)
		}
		if err != nil {
			return 0, err
		}
		err = r.settle(ctx)
		rss, rssErr := m.resident()
		return rss / (1 << 20), errors.Join(err, rssErr, m.close())
	}
}

func (r *run) idleEtcd(ctx context.Context) (float64, error) {
	s, err := r.etcdProcess(ctx)
	if err != nil {
		return 0, err
	}
	err = r.settle(ctx)
	rss, rssErr := s.resident()
	return rss / (1 << 20), errors.Join(err, rssErr, s.stop())
}

// longServer is the directory of a stopped server with a million events, which
// its projections have and a snapshot of the write model knows. The events are
// written into its log while it is stopped, behind its own.
func (r *run) longServer(ctx context.Context) (string, error) {
	m, err := r.newMesh(ctx)
	if err != nil {
		return "", err
	}
	if err := m.close(); err != nil {
		return "", err
	}
	n := 1_000_000 / r.scale
	at, err := extend(ctx, filepath.Join(m.data, "log"), n)
	if err != nil {
		return "", fmt.Errorf("write %d events into a server's log: %w", n, err)
	}
	data := m.data
	if m, err = r.meshOn(ctx, data); err != nil { // catches up
		return "", err
	}
	err = eventually(ctx, groupWithin, "the projection has caught up", func() error {
		if _, err := m.client.Log.Get(ctx, int64(at)); err != nil {
			return err
		}
		_, seen := m.client.LastPosition()
		if seen < int64(at) {
			return fmt.Errorf("it is at %d of %d", seen, at)
		}
		return nil
	})
	return data, errors.Join(err, m.close())
}

// extend writes events behind what a log holds, and returns the new end.
func extend(ctx context.Context, dir string, n int) (at events.Position, err error) {
	s, err := openStore(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	last, err := s.Last(ctx)
	if err != nil {
		return 0, err
	}
	w := &writer{log: s, sequence: last, time: time.Now().UnixNano()}
	done := errors.New("read to the end")
	if err := s.Follow(ctx, 1, func(m store.Message) error {
		var err error
		if _, w.head, err = w.head.Next(m.Data); err != nil {
			return err
		}
		if m.Sequence == last {
			return done
		}
		return nil
	}); !errors.Is(err, done) {
		return 0, err
	}
	w.id = w.head.LogID
	if err := w.busy(ctx, n); err != nil {
		return 0, err
	}
	return w.head.Position, s.Anchor(store.Mark{Head: w.head, Sequence: w.sequence})
}
