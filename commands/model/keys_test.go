package model

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

const actor = "user/a"

// start is the log time at which these tests begin, on a whole millisecond.
func start() int64 { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano() }

// key is a UUIDv7 of this time; n tells those of one time apart.
func key(at int64, n byte) commands.Key {
	ms := at / int64(time.Millisecond)
	k := commands.Key{6: 0x70, 8: 0x80, 15: n}
	for i := range 6 {
		k[i] = byte(ms >> (40 - 8*i))
	}
	return k
}

// decided records a decision at this log time, under a key if there is one.
func decided(m *Model, at int64, k commands.Key, hash byte) {
	meta := &eventsv1.Meta{Actor: actor}
	if !k.IsZero() {
		meta.IdempotencyKey, meta.RequestHash = k[:], make([]byte, events.HashSize)
		meta.RequestHash[0] = hash
	}
	p := m.Position + 1
	m.Evolve(events.Recorded{Position: p, Decision: p, Time: at, Meta: meta,
		Event: &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: "n1"}}}})
}

// recall asks for a key at the leader's clock now: "new", "done", or why not.
func recall(t *testing.T, m *Model, k commands.Key, hash byte, by string, now int64) string {
	t.Helper()
	r := &commands.Request{Key: k, Actor: by, Hash: events.Hash{hash}}
	receipt, done, err := m.Recall(r, now)
	var rejected *commands.Rejected
	switch {
	case errors.As(err, &rejected):
		if rejected.Message == "" || done {
			t.Errorf("done %v, rejection %+v", done, *rejected)
		}
		return rejected.Reason
	case err != nil:
		t.Fatalf("%v is no rejection", err)
	case done:
		if !receipt.Replayed || receipt.Position == 0 || receipt.Time == 0 {
			t.Errorf("receipt %+v", receipt)
		}
		return "done"
	}
	return "new"
}

func want(t *testing.T, what, got, wanted string) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: %s, want %s", what, got, wanted)
	}
}

func TestKeyOneEffect(t *testing.T) {
	m, now := New(), start()
	decided(m, now, commands.Key{}, 0)
	k := key(now, 1)
	want(t, "first", recall(t, m, k, 1, actor, now), "new")
	decided(m, now, k, 1)
	want(t, "again", recall(t, m, k, 1, actor, now), "done")
	want(t, "again, later", recall(t, m, k, 1, actor, now+int64(time.Hour)), "done")
	want(t, "another request", recall(t, m, k, 2, actor, now), "idempotency_mismatch")
	want(t, "another actor", recall(t, m, k, 2, "user/b", now), "new")
	want(t, "no key", recall(t, m, commands.Key{}, 1, actor, now), "new")
	receipt, _, _ := m.Recall(&commands.Request{Key: k, Actor: actor, Hash: events.Hash{1}}, now)
	if receipt.Position != 2 || receipt.Time != now {
		t.Errorf("receipt %+v, want position 2", receipt)
	}
}

// TestKeyAtLastEvent: the receipt of a decision of several events names its
// last position.
func TestKeyAtLastEvent(t *testing.T) {
	m, now := New(), start()
	k := key(now, 1)
	h := events.Hash{1}
	meta := &eventsv1.Meta{Actor: actor, IdempotencyKey: k[:], RequestHash: h[:]}
	for p := events.Position(1); p <= 3; p++ {
		m.Evolve(events.Recorded{Position: p, Decision: 3, Time: now, Meta: meta, Event: &eventsv1.Event{}})
		if p < 3 {
			want(t, "inside the decision", recall(t, m, k, 1, actor, now), "new")
		}
	}
	receipt, done, err := m.Recall(&commands.Request{Key: k, Actor: actor, Hash: h}, now)
	if !done || err != nil || receipt.Position != 3 {
		t.Errorf("receipt %+v, %v, %v", receipt, done, err)
	}
}

func TestKeyMalformed(t *testing.T) {
	m, now := New(), start()
	for _, spoil := range []func(*commands.Key){
		func(k *commands.Key) { k[6] = 0x40 },
		func(k *commands.Key) { k[6] = 0x80 },
		func(k *commands.Key) { k[8] = 0x40 },
		func(k *commands.Key) { k[8] = 0xc0 },
	} {
		k := key(now, 1)
		spoil(&k)
		want(t, fmt.Sprintf("%x", k), recall(t, m, k, 1, actor, now), "idempotency_malformed")
	}
}

// TestKeyWindow: the edges, by log time and, ahead, by the leader's clock too.
func TestKeyWindow(t *testing.T) {
	m, now := New(), start()
	decided(m, now, commands.Key{}, 0)
	ms := int64(time.Millisecond)
	for _, c := range []struct {
		what  string
		at    int64
		clock int64
		want  string
	}{
		{"15 minutes old", now - int64(KeyWindow), now, "new"},
		{"older", now - int64(KeyWindow) - ms, now, "idempotency_expired"},
		{"log time decides, not the clock", now - int64(KeyWindow), now + int64(time.Hour), "new"},
		{"a minute ahead", now + int64(KeyAhead), now, "new"},
		{"further ahead", now + int64(KeyAhead) + ms, now, "idempotency_ahead"},
		{"the log was silent", now + int64(time.Hour), now + int64(time.Hour), "new"},
		{"ahead of the clock too", now + int64(time.Hour) + int64(KeyAhead) + ms, now + int64(time.Hour), "idempotency_ahead"},
		{"the clock is behind the log", now + int64(KeyAhead), now - int64(time.Hour), "new"},
	} {
		want(t, c.what, recall(t, m, key(c.at, 1), 1, actor, c.clock), c.want)
	}
	// The greatest key is of the year 10889; nanoseconds end in 2262.
	last := commands.Key{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x70, 0, 0x80}
	want(t, "the last key", recall(t, m, last, 1, actor, now), "idempotency_ahead")
	// The answer says what log time is, for a new key.
	_, _, err := m.Recall(&commands.Request{Key: key(now-int64(time.Hour), 1), Actor: actor}, now)
	var rejected *commands.Rejected
	if !errors.As(err, &rejected) || rejected.LogTime != now {
		t.Errorf("rejection %+v, want log time %d", rejected, now)
	}
}

// TestKeyOwed: an effect is remembered until log time passes max(key time, its
// decision's time) + 15 minutes, and then its key is refused, never executed.
func TestKeyOwed(t *testing.T) {
	min := int64(time.Minute)
	for name, c := range map[string]struct{ key, decision int64 }{
		"dated now":        {0, 0},
		"dated ahead":      {min, 0},
		"dated before":     {-14 * min, 0},
		"after a silence":  {-70 * min, 0}, // log time stood still for an hour
		"before a silence": {-70 * min, -69 * min},
	} {
		t.Run(name, func(t *testing.T) {
			m, now := New(), start()
			decided(m, now-60*min, commands.Key{}, 0)
			if c.decision < 0 {
				m = New()
			}
			k := key(now+c.key, 1)
			want(t, "first", recall(t, m, k, 1, actor, now+c.decision), "new")
			decided(m, now+c.decision, k, 1)
			owed := max(now+c.key, now+c.decision) + int64(KeyWindow)
			// Log time comes to the last moment, in steps that prune.
			for at := now + c.decision; at < owed; at += 5 * min {
				decided(m, at, key(at, 2), 2)
				want(t, "while it is owed", recall(t, m, k, 1, actor, at), "done")
			}
			decided(m, owed, commands.Key{}, 0)
			want(t, "at the last moment", recall(t, m, k, 1, actor, owed), "done")
			// A bucket may outlive its minute; two windows later it is gone.
			far := owed + 2*int64(KeyWindow)
			decided(m, far, commands.Key{}, 0)
			want(t, "when it is forgotten", recall(t, m, k, 1, actor, far), "idempotency_expired")
			if m.keys.total != 0 || m.keys.buckets.Len() != 0 || m.keys.perActor.Len() != 0 {
				t.Errorf("%d keys in %d buckets of %d actors are left", m.keys.total, m.keys.buckets.Len(), m.keys.perActor.Len())
			}
		})
	}
}

func TestKeyQuota(t *testing.T) {
	m, now := New(), start()
	decided(m, now, key(now, 1), 1)
	m.keys.perActor.Set(actor, MaxKeysPerActor)
	want(t, "one more", recall(t, m, key(now, 2), 1, actor, now), "idempotency_quota")
	want(t, "one that had its effect", recall(t, m, key(now, 1), 1, actor, now), "done")
	want(t, "another actor", recall(t, m, key(now, 2), 1, "user/b", now), "new")
	m.keys.total = MaxKeys
	want(t, "all actors together", recall(t, m, key(now, 2), 1, "user/b", now), "idempotency_quota")
	want(t, "without a key", recall(t, m, commands.Key{}, 1, actor, now), "new")
	_, _, err := m.Recall(&commands.Request{Key: key(now, 2), Actor: actor}, now)
	var rejected *commands.Rejected
	if !errors.As(err, &rejected) || rejected.Kind != commands.Exhausted {
		t.Errorf("rejection %+v, want Exhausted", rejected)
	}
}

// TestKeyCounts: the counts of the quota follow buckets that end, and clones do
// not share them.
func TestKeyCounts(t *testing.T) {
	m, now := New(), start()
	for i := range 100 {
		decided(m, now+int64(i)*int64(time.Second), key(now+int64(i)*int64(time.Second), byte(i)), 1)
	}
	c := m.Clone()
	later := now + 3*int64(KeyWindow)
	decided(c, later, key(later, 1), 1)
	n, _ := c.keys.perActor.Get(actor)
	if n != 1 || c.keys.total != 1 {
		t.Errorf("%d keys, %d of the actor; want 1", c.keys.total, n)
	}
	if n, _ := m.keys.perActor.Get(actor); n != 100 || m.keys.total != 100 {
		t.Errorf("the original counts %d and %d, want 100", m.keys.total, n)
	}
	want(t, "in the original", recall(t, m, key(now, 0), 1, actor, now), "done")
}
