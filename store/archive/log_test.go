package archive_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// start is the time of the first frame.
const start = int64(1_800_000_000_000_000_000)

// logged is a log under construction.
type logged struct {
	t    testing.TB
	log  store.Log
	mark store.Mark
}

func newLogged(t testing.TB, log store.Log) *logged {
	l := &logged{t: t, log: log}
	l.add([]*eventsv1.Event{{Kind: &eventsv1.Event_EraStarted{EraStarted: &eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1}}}})
	return l
}

// add stores a frame of these decisions.
func (l *logged) add(decisions ...[]*eventsv1.Event) {
	l.t.Helper()
	f := &eventsv1.Frame{LogId: bytes.Repeat([]byte{0xa7}, 16), Era: max(l.mark.Era, 1), First: uint64(l.mark.Position) + 1, Time: max(start+int64(l.mark.Sequence)*int64(time.Second), l.mark.Time)}
	if l.mark.Sequence > 0 {
		f.PrevHash = l.mark.Hash[:]
	}
	for _, evs := range decisions {
		f.Decisions = append(f.Decisions, &eventsv1.Decision{Meta: &eventsv1.Meta{Actor: "user/ann"}, Events: evs})
	}
	data, err := events.Marshal(f)
	if err != nil {
		l.t.Fatal(err)
	}
	_, head, err := l.mark.Next(data)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.log.Publish(context.Background(), l.mark.Sequence, data); err != nil {
		l.t.Fatal(err)
	}
	l.mark = store.Mark{Head: head, Sequence: l.mark.Sequence + 1}
}

func cordoned(ids ...string) []*eventsv1.Event {
	var evs []*eventsv1.Event
	for _, id := range ids {
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: id}}})
	}
	return evs
}

func opened(ttl time.Duration) []*eventsv1.Event {
	return []*eventsv1.Event{{Kind: &eventsv1.Event_SessionOpened{SessionOpened: &eventsv1.SessionOpened{
		NodeId: "n1", TtlMs: uint32(ttl / time.Millisecond), SecretHash: make([]byte, events.HashSize), Incarnation: 1,
	}}}}
}

// sample is a log of 5 frames and 11 positions: 1, 2, 3-4, then 5-6 | 7 | 8-10 in
// one frame, then 11.
func sample(t testing.TB) *logged {
	l := newLogged(t, memlog.New(nil))
	l.add(opened(3 * time.Second))
	l.add(cordoned("n1", "n2"))
	l.add(cordoned("n3", "n4"), cordoned("n5"), cordoned("n6", "n7", "n8"))
	l.add(opened(7 * time.Second))
	return l
}

func (l *logged) header() archive.Header {
	return archive.Header{Cluster: "c1", Created: start, Mark: l.mark}
}

// archived is the archive of a log.
func (l *logged) archived() ([]byte, archive.Summary) {
	l.t.Helper()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, l.header())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, m := range messages(l.t, l.log) {
		if err := w.Append(m); err != nil {
			l.t.Fatal(err)
		}
	}
	s, err := w.Close()
	if err != nil {
		l.t.Fatal(err)
	}
	return b.Bytes(), s
}

var errEnough = errors.New("enough")

func messages(t testing.TB, log store.Log) (all []store.Message) {
	t.Helper()
	last, err := log.Last(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if last == 0 {
		return nil
	}
	err = log.Follow(context.Background(), 1, func(m store.Message) error {
		if all = append(all, m); m.Sequence == last {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return all
}
