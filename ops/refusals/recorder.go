package refusals

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store"
)

// Stream is where batches are stored; natslog has it.
type Stream interface {
	// Record stores one batch and waits until it is on disk.
	Record(ctx context.Context, data []byte) error
	// List returns up to limit batches with sequences above after, the oldest
	// first.
	List(ctx context.Context, after uint64, limit int) ([]store.Message, error)
}

// Recorder keeps refusals in a stream.
type Recorder struct {
	cfg     Config
	stream  Stream
	log     *slog.Logger
	metrics *Metrics

	mu      sync.Mutex
	waiting *waiting // guarded by mu
	// wake has an entry when something waits.
	wake chan struct{}
}

// Bounds of one record, in bytes.
const (
	maxMessage = 512
	maxReason  = 1024
	maxName    = 256     // of all other texts
	maxRecord  = 4 << 10 // of all
)

// bound cuts the texts of a record, whatever callers gave. What is no UTF-8
// could not be stored.
func bound(r *controlv1.Refusal) {
	r.Message, r.Reason = cut(r.Message, maxMessage), cut(r.Reason, maxReason)
	for _, text := range []*string{&r.Actor, &r.Command, &r.Code, &r.ChangeTicket, &r.CorrelationId} {
		*text = cut(*text, maxName)
	}
}

// storeWait bounds the last attempt to store, when the process ends; retryAfter
// is the pause after a failed one.
const (
	storeWait  = 500 * time.Millisecond
	retryAfter = time.Second
)

// New returns a recorder. metrics may be nil.
func New(cfg Config, stream Stream, log *slog.Logger, metrics *Metrics) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if metrics == nil {
		metrics = newMetrics()
	}
	return &Recorder{
		cfg: cfg, stream: stream, log: log, metrics: metrics,
		waiting: newWaiting(cfg), wake: make(chan struct{}, 1),
	}, nil
}

// Refused takes the record of a refused call, which is then the recorder's.
func (r *Recorder) Refused(one *controlv1.Refusal) {
	bound(one)
	r.mu.Lock()
	recorded := r.waiting.add(one, time.Now())
	r.mu.Unlock()
	r.metrics.took(one.Code, recorded)
	select {
	case r.wake <- struct{}{}:
	default: // it is awake
	}
}

// Decided takes what a decider refused; see sequencer.Options.OnRefused.
func (r *Recorder) Decided(d sequencer.Refusal) {
	q := d.Request
	r.Refused(&controlv1.Refusal{
		Time: timestamppb.New(time.Unix(0, d.Time)), Position: int64(d.Position),
		Actor: q.Actor, Command: q.Command.CommandName(), Code: d.Rejected.Reason, Message: d.Rejected.Message,
		Reason: q.Reason, ChangeTicket: q.ChangeTicket, CorrelationId: q.CorrelationID, DryRun: q.DryRun, Count: 1,
	})
}

// cut shortens a text to at most some bytes, at the end of a character.
func cut(text string, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "?")
}

// Run stores what is refused until ctx ends, and then the rest once more.
func (r *Recorder) Run(ctx context.Context) error {
	var batch []*controlv1.Refusal // taken and not known to be stored
	failing := false
	for {
		if len(batch) == 0 && !r.wait(ctx) {
			break
		}
		if len(batch) == 0 {
			batch = r.take(false)
		}
		err := r.store(ctx, batch)
		switch {
		case err == nil:
			if failing {
				r.log.Info("refusals are recorded again")
			}
			batch, failing = nil, false
		case ctx.Err() != nil:
		case !failing:
			failing = true
			r.log.Warn("refusals are not recorded, trying again", "error", err)
		}
		if len(batch) > 0 && !sleep(ctx, retryAfter) {
			break
		}
	}
	r.finish(batch)
	return nil
}

// wait returns when something waits and Every has passed; false when ctx ended.
func (r *Recorder) wait(ctx context.Context) bool {
	select {
	case <-r.wake:
		return sleep(ctx, r.cfg.Every)
	case <-ctx.Done():
		return false
	}
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take returns what goes into the next batch, and wakes the loop again if more
// waits.
func (r *Recorder) take(all bool) []*controlv1.Refusal {
	r.mu.Lock()
	batch := r.waiting.take(time.Now(), all)
	more := !r.waiting.empty()
	r.mu.Unlock()
	if more {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return batch
}

// store stores a batch; an empty one is none.
func (r *Recorder) store(ctx context.Context, batch []*controlv1.Refusal) error {
	if len(batch) == 0 {
		return nil
	}
	data, err := proto.Marshal(&controlv1.RefusalBatch{Refusals: batch})
	if err != nil { // texts are UTF-8, so this is a bug of ours
		panic(fmt.Sprintf("refusals: %v", err))
	}
	return r.stream.Record(ctx, data)
}

// finish stores what is left, within storeWait, and counts what it could not.
func (r *Recorder) finish(batch []*controlv1.Refusal) {
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	var failed error
	for {
		if len(batch) == 0 {
			if batch = r.take(true); len(batch) == 0 {
				break
			}
		}
		if failed == nil {
			failed = r.store(ctx, batch)
		}
		if failed != nil {
			r.metrics.lost(batch)
		}
		batch = nil
	}
	if failed != nil {
		r.log.Warn("the last refusals were not recorded", "error", failed)
	}
}
