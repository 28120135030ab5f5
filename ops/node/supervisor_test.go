package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(quiet())
		var order []string
		s.holds("a", time.Second, func() error { order = append(order, "a"); return nil })
		s.runs("b", time.Second, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, "b")
			return nil
		})
		s.holds("c", time.Second, func() error { order = append(order, "c"); return nil })
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"c", "b", "a"}, order); diff != "" {
			t.Error(diff)
		}
		want := []Status{{"a", Stopped}, {"b", Stopped}, {"c", Stopped}}
		if diff := cmp.Diff(want, s.status()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPartThatHangsIsNamedAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(quiet())
		closed, release := false, make(chan struct{})
		s.holds("log", time.Second, func() error { closed = true; return nil })
		s.runs("stuck", 2*time.Second, func(context.Context) error { <-release; return nil })
		began := time.Now()
		err := s.stop()
		if err == nil || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("error is %v; want one that names the part", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %s, want the part's 2s", took)
		}
		if !closed {
			t.Error("what was below the stuck part was not closed")
		}
		close(release)
	})
}

func TestStopAsAWholeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(quiet())
		release := make(chan struct{})
		for range 4 {
			s.runs("stuck", 2*time.Second, func(context.Context) error { <-release; return nil })
		}
		began := time.Now()
		if err := s.stop(); err == nil {
			t.Error("no error")
		}
		if took := time.Since(began); took > StopWithin {
			t.Errorf("took %s, want at most %s", took, StopWithin)
		}
		close(release)
	})
}

func TestAFailureIsReportedOnceWithItsPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(quiet())
		disk := errors.New("no space left")
		s.runs("fine", time.Second, func(ctx context.Context) error { <-ctx.Done(); return nil })
		s.runs("log", time.Second, func(context.Context) error { return disk })
		err := <-s.failed
		if !errors.Is(err, disk) || !strings.HasPrefix(err.Error(), "log: ") {
			t.Errorf("error is %v", err)
		}
		if i := slices.Index(s.status(), Status{"log", Failed}); i < 0 {
			t.Errorf("status is %v; want log failed", s.status())
		}
		if err := s.stop(); err != nil {
			t.Errorf("stop reported it again: %v", err)
		}
	})
}

func TestAPartThatEndsByItselfIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(quiet())
		s.runs("loop", time.Second, func(context.Context) error { return nil })
		if err := <-s.failed; err == nil || !strings.Contains(err.Error(), "ended by itself") {
			t.Errorf("error is %v", err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}
