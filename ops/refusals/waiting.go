package refusals

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// other stands for the principals and reasons beyond the bound.
const other = "other"

// waiting is what is not yet stored. It is the recorder's, under its mutex.
type waiting struct {
	cfg     Config
	records []*controlv1.Refusal
	counts  map[countKey]*count
	// allowances are the principals that had a record not long ago.
	allowances map[string]*allowance
	counted    time.Time // when counts were taken last
}

type countKey struct{ actor, code string }

type count struct {
	n      int64
	newest time.Time
	// position of the newest.
	position int64
}

// allowance is a bucket of records: Burst at most, Rate more each second.
type allowance struct {
	left float64
	at   time.Time
}

func newWaiting(cfg Config) *waiting {
	return &waiting{cfg: cfg, counts: map[countKey]*count{}, allowances: map[string]*allowance{}}
}

// add takes a refusal; false means that it is counted only.
func (w *waiting) add(r *controlv1.Refusal, now time.Time) bool {
	if len(w.records) < w.cfg.MaxWaiting && w.allow(r.Actor, now) {
		w.records = append(w.records, r)
		return true
	}
	key := countKey{r.Actor, r.Code}
	c := w.counts[key]
	if c == nil && len(w.counts) >= w.cfg.MaxCounts {
		key = countKey{other, other}
		c = w.counts[key]
	}
	if c == nil {
		c = &count{}
		w.counts[key] = c
	}
	c.n += max(1, r.Count)
	c.newest, c.position = now, r.Position
	return false
}

// allow takes one record from a principal's allowance. Principals beyond the
// bound share one.
func (w *waiting) allow(actor string, now time.Time) bool {
	a := w.allowances[actor]
	if a == nil && len(w.allowances) >= w.cfg.MaxPrincipals {
		actor = other
		a = w.allowances[actor]
	}
	if a == nil {
		a = &allowance{left: float64(w.cfg.Burst), at: now}
		w.allowances[actor] = a
	}
	a.refill(w.cfg, now)
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}

func (a *allowance) refill(cfg Config, now time.Time) {
	a.left = min(float64(cfg.Burst), a.left+now.Sub(a.at).Seconds()*float64(cfg.Rate))
	a.at = now
}

// take returns the records of one batch, and the counts if they are due or all
// is wanted. It forgets the principals whose allowance is whole again.
func (w *waiting) take(now time.Time, all bool) []*controlv1.Refusal {
	n, size := 0, 0
	for n < min(len(w.records), w.cfg.MaxBatch) {
		// A tag and a length, at most.
		if size += proto.Size(w.records[n]) + 8; size > w.cfg.MaxBatchBytes && n > 0 {
			break
		}
		n++
	}
	batch := slices.Clone(w.records[:n])
	w.records = append(w.records[:0:0], w.records[n:]...)
	if len(w.counts) > 0 && (all || now.Sub(w.counted) >= w.cfg.CountEvery) {
		batch = append(batch, w.takeCounts()...)
		w.counted = now
	}
	for actor, a := range w.allowances {
		if a.refill(w.cfg, now); a.left >= float64(w.cfg.Burst) {
			delete(w.allowances, actor)
		}
	}
	return batch
}

func (w *waiting) takeCounts() []*controlv1.Refusal {
	records := make([]*controlv1.Refusal, 0, len(w.counts))
	for key, c := range w.counts {
		records = append(records, &controlv1.Refusal{
			Actor: key.actor, Code: key.code, Count: c.n, Time: timestamppb.New(c.newest), Position: c.position,
		})
	}
	clear(w.counts)
	slices.SortFunc(records, func(a, b *controlv1.Refusal) int {
		return a.Time.AsTime().Compare(b.Time.AsTime())
	})
	return records
}

// empty reports whether nothing waits.
func (w *waiting) empty() bool { return len(w.records) == 0 && len(w.counts) == 0 }
