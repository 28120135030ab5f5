package refusals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store"
)

// disk is a stream in memory. A record takes a while, as an fsync does.
type disk struct {
	stored []store.Message
	at     []time.Time
	broken atomic.Pointer[string] // why Record fails while it is set
	first  uint64
}

func (d *disk) Record(ctx context.Context, data []byte) error {
	if !sleep(ctx, 2*time.Millisecond) {
		return ctx.Err()
	}
	if why := d.broken.Load(); why != nil {
		return errors.New(*why)
	}
	d.stored = append(d.stored, store.Message{Sequence: uint64(len(d.stored)) + 1, Data: data})
	d.at = append(d.at, time.Now())
	return nil
}

func (d *disk) List(_ context.Context, after uint64, limit int) (out []store.Message, err error) {
	for _, m := range d.stored {
		if m.Sequence > after && m.Sequence >= d.first && len(out) < limit {
			out = append(out, m)
		}
	}
	return out, nil
}

// rig is a recorder that runs in a bubble.
type rig struct {
	*Recorder
	t    *testing.T
	disk *disk
	stop func()
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	return newMeasuredRig(t, nil, change)
}

func newMeasuredRig(t *testing.T, m *Metrics, change func(*Config)) *rig {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	d := &disk{}
	r, err := New(cfg, d, slog.New(slog.NewTextHandler(io.Discard, nil)), m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return &rig{r, t, d, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}}
}

func one(actor, code string) *controlv1.Refusal {
	return &controlv1.Refusal{Actor: actor, Code: code, Command: "shard.Move", Count: 1}
}

// all lists everything, page by page.
func (r *rig) all() []*controlv1.Refusal {
	r.t.Helper()
	var out []*controlv1.Refusal
	for from := int64(0); ; {
		page, next, err := r.List(r.t.Context(), from, 100, func(*controlv1.Refusal) bool { return true })
		if err != nil {
			r.t.Fatal(err)
		}
		if out = append(out, page...); next == 0 {
			return out
		}
		if next <= from {
			r.t.Fatalf("the page from %d goes on from %d", from, next)
		}
		from = next
	}
}

// sizes of what waits.
func (r *rig) sizes() (records, counts, allowances int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting.records), len(r.waiting.counts), len(r.waiting.allowances)
}

// sums adds up what was recorded, by actor and code, and how many records that
// took.
func sums(all []*controlv1.Refusal) (map[string]int64, int) {
	out := map[string]int64{}
	for _, r := range all {
		out[r.Actor+" "+r.Code] += r.Count
	}
	return out, len(all)
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestManyInOneRecord: what comes within Every is one record, in order.
func TestManyInOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		for i := range 50 {
			r.Refused(one(fmt.Sprintf("user/u%d", i), "node_cordoned"))
		}
		if len(r.disk.stored) != 0 {
			t.Error("a refusal waited for the disk")
		}
		pass(time.Second)
		all := r.all()
		if len(r.disk.stored) != 1 || len(all) != 50 {
			t.Fatalf("%d records, %d refusals", len(r.disk.stored), len(all))
		}
		for i, got := range all {
			if got.Actor != fmt.Sprintf("user/u%d", i) || got.Id != idsPerBatch+int64(i) {
				t.Errorf("place %d has %v", i, got)
			}
		}
		r.stop()
	})
}

// TestFlood: one principal has its burst and its rate, the rest of its refusals
// are counted, and another principal is not touched by it.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		const rounds, each = 100, 200 // 20,000 within 10 s
		for range rounds {
			for range each {
				r.Refused(one("user/noisy", "overloaded"))
			}
			pass(100 * time.Millisecond)
		}
		r.Refused(one("user/calm", "node_cordoned"))
		pass(2 * time.Second)
		got, records := sums(r.all())
		want := map[string]int64{"user/noisy overloaded": rounds * each, "user/calm node_cordoned": 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if most := 200 + 20*11 + 12 + 1; records > most { // burst, rate, a count each second, the calm one
			t.Errorf("%d records, at most %d", records, most)
		}
		for i := range r.disk.at[1:] {
			if apart := r.disk.at[i+1].Sub(r.disk.at[i]); apart < r.cfg.Every {
				t.Errorf("records %d and %d are %s apart, at least %s", i, i+1, apart, r.cfg.Every)
			}
		}
		r.stop()
	})
}

// TestBounds: principals and reasons without end are counted, none is forgotten,
// and nothing grows beyond its bound.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.MaxWaiting, c.MaxCounts, c.MaxPrincipals, c.MaxBatch = 100, 10, 20, 16 })
		const many = 5000
		for i := range many {
			r.Refused(one(fmt.Sprintf("user/u%d", i), "forbidden"))
		}
		if records, counts, allowances := r.sizes(); records > 100 || counts > 11 || allowances > 21 {
			t.Errorf("%d records, %d counts and %d allowances wait", records, counts, allowances)
		}
		pass(20 * time.Second)
		got, _ := sums(r.all())
		total := int64(0)
		for _, n := range got {
			total += n
		}
		if total != many || got["other other"] == 0 {
			t.Errorf("%d of %d refusals are there, %d as other", total, many, got["other other"])
		}
		for _, m := range r.disk.stored {
			if batch, err := decode(m.Sequence, m.Data); err != nil || len(batch) > 16+11 {
				t.Errorf("batch %d: %d records, %v", m.Sequence, len(batch), err)
			}
		}
		pass(20 * time.Second)
		r.Refused(one("user/late", "forbidden"))
		pass(time.Second)
		if _, _, n := r.sizes(); n != 0 {
			t.Errorf("%d allowances are kept of principals whose allowance is whole", n)
		}
		r.stop()
	})
}

// TestBatchBytes: long texts make more batches, none over its size.
func TestBatchBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.MaxBatchBytes = 8 << 10 })
		for i := range 40 {
			long := one(fmt.Sprintf("user/u%d", i), "x")
			long.Reason, long.Message = strings.Repeat("é", 5000), "bad \xff"+strings.Repeat("é", 5000)
			r.Refused(long)
		}
		pass(10 * time.Second)
		for _, m := range r.disk.stored {
			if len(m.Data) > 8<<10 {
				t.Errorf("batch %d has %d bytes", m.Sequence, len(m.Data))
			}
		}
		all := r.all()
		if len(all) != 40 {
			t.Errorf("%d refusals, want 40", len(all))
		}
		for _, one := range all {
			if !utf8.ValidString(one.Message) || len(one.Message) > maxMessage || len(one.Reason) > maxReason {
				t.Fatalf("texts of %d and %d bytes: %q", len(one.Message), len(one.Reason), one.Message)
			}
		}
		r.stop()
	})
}

// TestOutage: while nothing can be stored refusals wait, then are counted; when
// it can again, all are there.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		noRoom := "no room"
		r.disk.broken.Store(&noRoom)
		for i := range 300 {
			r.Refused(one("user/ann", "log_full"))
			if i%100 == 0 {
				pass(time.Second)
			}
		}
		if len(r.disk.stored) != 0 {
			t.Fatal("something was stored")
		}
		r.disk.broken.Store(nil)
		pass(5 * time.Second)
		if got, _ := sums(r.all()); got["user/ann log_full"] != 300 {
			t.Errorf("recorded: %v, want 300", got)
		}
		r.stop()
	})
}

// TestStop: what waits is stored at the end, counts too; what cannot be stored
// is counted as lost, and the stop is not held up.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		m, err := NewMetrics(reg)
		if err != nil {
			t.Fatal(err)
		}
		r := newMeasuredRig(t, m, func(c *Config) { c.Burst = 2 })
		for range 5 {
			r.Refused(one("user/ann", "a"))
		}
		r.stop()
		if got, records := sums(r.all()); got["user/ann a"] != 5 || records != 3 {
			t.Errorf("%d records: %v", records, got)
		}
		r = newMeasuredRig(t, m, nil)
		noRoom := "no room"
		r.disk.broken.Store(&noRoom)
		r.Refused(one("user/ann", "b"))
		pass(time.Minute)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > storeWait {
			t.Errorf("the stop took %s", took)
		}
		want := map[string]float64{
			"a counted": 3, "b counted": 0, "a lost": 0, "b lost": 1, "a recorded": 2, "b recorded": 1,
		}
		if diff := cmp.Diff(want, series(t, reg)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestListGoesOn: pages follow each other through many batches, with filters
// that match little, and after the oldest were forgotten.
func TestListGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.MaxBatch, c.Burst = 1, 1000 })
		for i := range maxBatches + 50 {
			r.Refused(one("user/ann", fmt.Sprintf("c%d", i)))
		}
		pass(time.Minute)
		if all := r.all(); len(all) != maxBatches+50 {
			t.Errorf("%d refusals, want %d", len(all), maxBatches+50)
		}
		page, next, err := r.List(t.Context(), 0, 10, func(*controlv1.Refusal) bool { return false })
		if err != nil || len(page) != 0 || next != (maxBatches+1)*idsPerBatch {
			t.Errorf("a page without a match: %v, next %d, %v", page, next, err)
		}
		r.disk.first = 200
		if all := r.all(); len(all) != maxBatches+50-199 || all[0].Id != 200*idsPerBatch {
			t.Errorf("after the oldest went: %d, from %v", len(all), all[0])
		}
		r.stop()
	})
}

// TestDecided: what a decider refused becomes a record with all that is known.
func TestDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.Decided(sequencer.Refusal{
			Request: &commands.Request{Command: membership.Cordon{NodeID: "n1"}, Actor: "user/ann", Reason: "why",
				ChangeTicket: "T-1", CorrelationID: "c-1", DryRun: true},
			Rejected: commands.Refuse("node_cordoned", "node %q is cordoned", "n1"), Position: 7, Time: 1_700_000_000_000_000_000,
		})
		pass(time.Second)
		got := fmt.Sprint(r.all())
		for _, want := range []string{`"user/ann"`, `"membership.Cordon"`, `"node_cordoned"`, `"why"`, `"T-1"`, `"c-1"`, "position:7", "dry_run:true", "1700000000", "count:1"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in %s", want, got)
			}
		}
		r.stop()
	})
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.MaxBatch = idsPerBatch }, func(c *Config) { c.MaxCounts = 0 },
		func(c *Config) { c.Every = 0 }, func(c *Config) { c.CountEvery = 0 }, func(c *Config) { c.MaxBatchBytes = 10 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%+v: %v; want an error that says what is allowed", c, err)
		}
	}
}

// TestReasonsAreBounded: a reason without end is one label.
func TestReasonsAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		m.took(fmt.Sprintf("r%d", i), true)
	}
	if got := series(t, reg); len(got) != 3*(maxReasons+1) || got["other recorded"] != 1000-maxReasons {
		t.Errorf("%d series, want %d; other has %v", len(got), 3*(maxReasons+1), got["other recorded"])
	}
}

// series reads mesh_refused_total, by "reason outcome".
func series(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels["reason"]+" "+labels["outcome"]] = m.GetCounter().GetValue()
		}
	}
	return out
}

func BenchmarkRefused(b *testing.B) {
	r, err := New(DefaultConfig(), &disk{}, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Refused(one("user/ann", "overloaded"))
		}
	})
}
