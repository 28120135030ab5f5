package archive_test

import (
	"bytes"
	"testing"

	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/memlog"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// long is a log of that many small frames.
func long(b *testing.B, frames int) *logged {
	l := newLogged(b, memlog.New(nil))
	for range frames - 1 {
		l.add(cordoned("n1", "n2", "n3", "n4"))
	}
	return l
}

// BenchmarkVerify reads an archive in memory.
func BenchmarkVerify(b *testing.B) {
	const frames = 20_000
	file, _ := long(b, frames).archived()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := archive.Verify(bytes.NewReader(file), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkCopy copies into a natslog: it measures the disk's fsync above all.
func BenchmarkCopy(b *testing.B) {
	const frames = 2_000
	l := long(b, frames)
	for b.Loop() {
		to, err := natslog.Open(b.Context(), natslog.DefaultConfig(b.TempDir(), "c1"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := archive.Copy(b.Context(), l.log, to); err != nil {
			b.Fatal(err)
		}
		if err := to.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds(), "frames/s")
}
