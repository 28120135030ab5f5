package client

import (
	"context"
	"iter"
	"time"

	"connectrpc.com/connect"
)

// A watch is one call of its user and many streams below. What makes that
// hard is that a resume point stands between decisions, while a stream may be
// cut inside one: then the rows of that decision come again. And a snapshot
// has no resume point before its end: cut inside, it comes again as a whole,
// and by then rows may have changed or gone.
//
// So the watch keeps the point that it would resume after, and the rows
// delivered since then, of which there are at most one decision's; and while
// it is inside a snapshot, what it delivered of it.

// note is what a watch must know of a message.
type note struct {
	// resume is the point after which a new stream would continue.
	resume int64
	// row names the row; change names the row and its change.
	row, change string
	// version of the row; equal versions of a row are equal rows.
	version int64
	// snapshot: the row as it is, not a change. bookmark: no row at all.
	snapshot, bookmark bool
}

// watch says how one kind of stream is opened and read.
type watch[T any] struct {
	c    *Client
	open func(ctx context.Context, resume int64, header headers) (*connect.ServerStreamForClient[T], error)
	look func(*T) note
	// gone makes the message that says that the row of an earlier one is no
	// more.
	gone func(*T) *T
	// bookmarks: the user wants them. The watch itself always asks for them: the
	// first ends a snapshot.
	bookmarks bool
	// toEnd: the stream's end is the end, not a cut.
	toEnd bool
}

type headers func(connect.AnyRequest)

// all ranges over the messages. An error is the last thing that comes.
func (w *watch[T]) all(ctx context.Context, resume int64) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		r := &watching[T]{watch: w, yield: yield, point: resume, inSnapshot: resume == 0}
		if err := r.run(ctx); err != nil {
			yield(nil, err)
		}
	}
}

// watching is one walk over a watch.
type watching[T any] struct {
	*watch[T]
	yield func(*T, error) bool

	log     string
	point   int64
	changes map[string]struct{}

	inSnapshot bool
	round      int
	rows       map[string]snapshotRow[T]
}

type snapshotRow[T any] struct {
	message *T
	version int64
	round   int
}

// run opens stream after stream. A mesh that was never reached is an error
// after CallTimeout; one that was is waited for until ctx ends.
func (w *watching[T]) run(ctx context.Context) error {
	started, reached := time.Now(), false
	waits := backoff{min: w.c.cfg.BackoffMin, max: w.c.cfg.BackoffMax}
	for tries := 1; ; tries++ {
		a := &attempt{endpoint: w.c.endpoints.pick(), stream: true}
		received, done, err := w.stream(ctx, a)
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return &Error{Code: connect.CodeOf(ctx.Err()), Message: "watch ended: " + ctx.Err().Error(), cause: ctx.Err()}
		}
		if err != nil && judge(ctx, a, err) == final {
			return a.explained(asError(err))
		}
		w.c.endpoints.failed(a.endpoint)
		if received {
			reached, tries = true, 0
			waits.round = 0
		}
		if err != nil && !reached && time.Since(started) > w.c.cfg.CallTimeout {
			e := *asError(err)
			e.Message = "no server reached at " + w.c.names() + ": " + e.Message
			return &e
		}
		if tries != 0 && tries%w.c.endpoints.count() != 0 {
			continue
		}
		var hint time.Duration
		if err != nil {
			hint = asError(err).RetryAfter
		}
		pause(ctx, waits.next(hint))
	}
}

// stream reads one stream to its end. done: the user has enough, or all.
func (w *watching[T]) stream(ctx context.Context, a *attempt) (received, done bool, err error) {
	ctx, cancel := context.WithCancel(withAttempt(ctx, a))
	defer cancel()
	w.round++
	s, err := w.open(ctx, w.point, w.header)
	if err != nil {
		return false, false, err
	}
	defer s.Close()
	for s.Receive() {
		if !received {
			received = true
			w.c.seen.note(s.ResponseHeader())
			if w.log == "" {
				w.log = s.ResponseHeader().Get(headerLog)
			}
		}
		if !w.take(s.Msg()) {
			return received, true, nil
		}
	}
	return received, s.Err() == nil && w.toEnd, s.Err()
}

// header pins a resume to the log that the point is of.
func (w *watching[T]) header(req connect.AnyRequest) {
	w.c.setHeader(req.Header())
	if w.log != "" && w.point > 0 {
		req.Header().Set(headerLog, w.log)
	}
}

// take delivers a message, unless it was delivered before. False: enough.
func (w *watching[T]) take(m *T) bool {
	n := w.look(m)
	if w.inSnapshot && n.snapshot {
		return w.takeRow(m, n)
	}
	if w.inSnapshot && !w.endSnapshot() {
		return false
	}
	if n.resume < w.point && !n.bookmark {
		return true // a server that went on from further back than asked
	}
	if n.resume > w.point {
		w.point = n.resume
		clear(w.changes)
	}
	if n.bookmark {
		return !w.bookmarks || w.yield(m, nil)
	}
	if _, again := w.changes[n.change]; again {
		return true
	}
	if w.changes == nil {
		w.changes = make(map[string]struct{})
	}
	w.changes[n.change] = struct{}{}
	return w.yield(m, nil)
}

func (w *watching[T]) takeRow(m *T, n note) bool {
	if w.rows == nil {
		w.rows = make(map[string]snapshotRow[T])
	}
	known, ok := w.rows[n.row]
	w.rows[n.row] = snapshotRow[T]{message: m, version: n.version, round: w.round}
	if ok && known.version == n.version {
		return true
	}
	return w.yield(m, nil)
}

// endSnapshot tells of the rows that an earlier, cut snapshot had and this one
// has not.
func (w *watching[T]) endSnapshot() bool {
	rows := w.rows
	w.inSnapshot, w.rows = false, nil
	for _, row := range rows {
		if row.round != w.round && !w.yield(w.gone(row.message), nil) {
			return false
		}
	}
	return true
}
