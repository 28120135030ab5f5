package natslog_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/store"
)

// BenchmarkPublish is one caller with one frame in flight: the sequencer's path.
// It measures the disk's fsync above all.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{200, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			cfg := small(b.TempDir())
			cfg.MaxLogBytes = 64 << 30
			s := open(b, cfg)
			data := make([]byte, size)
			var expect uint64
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := s.Publish(b.Context(), expect, data); err != nil {
					b.Fatal(err)
				}
				expect++
			}
		})
	}
}

// BenchmarkFollow reads a log from its start, past the tail. ns/op is for one
// frame; events/s counts 100 events of 200 bytes in each.
func BenchmarkFollow(b *testing.B) {
	for _, size := range []int{200, 20_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			const frames = 5000
			cfg := small(b.TempDir())
			cfg.MaxLogBytes, cfg.TailFrames = 64<<30, 16
			s := open(b, cfg)
			for i := range uint64(frames) {
				if err := s.Publish(b.Context(), i, make([]byte, size)); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size) * frames)
			for b.Loop() {
				followTo(b, s, frames)
			}
			b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds(), "frames/s")
			b.ReportMetric(float64(frames*b.N)*float64(size/200)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func followTo(b *testing.B, s store.Log, last uint64) {
	err := s.Follow(b.Context(), 1, func(m store.Message) error {
		if m.Sequence == last {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		b.Fatal(err)
	}
}

// BenchmarkTail is the time from before Publish to the follower's call, less the
// publish itself: what a follower adds to the ack.
func BenchmarkTail(b *testing.B) {
	s := open(b, small(b.TempDir()))
	seen := make(chan time.Time, 1)
	go func() {
		_ = s.Follow(b.Context(), 1, func(store.Message) error { seen <- time.Now(); return nil })
	}()
	data := make([]byte, 200)
	var expect uint64
	var added time.Duration
	for b.Loop() {
		if err := s.Publish(b.Context(), expect, data); err != nil {
			b.Fatal(err)
		}
		acked := time.Now()
		added += (<-seen).Sub(acked)
		expect++
	}
	b.ReportMetric(float64(added.Nanoseconds())/float64(expect), "ns-after-ack")
}

// BenchmarkOpen opens a log of 64 MiB after a clean stop and after a crash.
func BenchmarkOpen(b *testing.B) {
	for _, clean := range []bool{true, false} {
		b.Run(fmt.Sprintf("clean=%t", clean), func(b *testing.B) {
			l := newLoggedOf(b, 640)
			for b.Loop() {
				if !clean {
					l.crash(b)
				}
				s := open(b, l.cfg)
				b.StopTimer()
				shut(b, s)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkAnchor is one mark without an fsync.
func BenchmarkAnchor(b *testing.B) {
	s := open(b, small(b.TempDir()))
	m := store.Mark{}
	for b.Loop() {
		m.Sequence++
		if err := s.Anchor(m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdle reports the heap of an open, empty store.
func BenchmarkIdle(b *testing.B) {
	s := open(b, small(b.TempDir()))
	for b.Loop() {
		if _, err := s.Last(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
}
