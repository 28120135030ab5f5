package model

import (
	"fmt"
	"time"

	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
)

// The window of idempotency. A key may be dated this long before log time and
// ahead of it.
const (
	KeyWindow = 15 * time.Minute
	KeyAhead  = time.Minute
)

// Bounds of the keys that are remembered.
const (
	MaxKeysPerActor = 1 << 20
	MaxKeys         = 1 << 22
)

// keys remembers the effect of each key until log time has passed its window.
// Keys carry their own time (UUIDv7), so they are kept in buckets by the
// minute of that time: one look-up finds a key, and a bucket ends whole. An
// entry is owed for KeyWindow after its decision. That is mostly within
// KeyWindow of its key, but not after a silence: log time stands still then, and
// a key of before it is still good. So each bucket knows how long it is owed. A
// bucket waits for the ones before it, at most as long as they are owed.
type keys struct {
	buckets btree.Map[int64, *bucket]
	total   int
	// perActor counts the keys of each actor over all buckets.
	perActor btree.Map[string, int]
	token    *token
}

// token is the identity of the writer that a bucket belongs to.
type token struct{ _ byte }

// bucket holds the keys of one minute: key bytes and actor → effect. Only the
// keys with the same token write to it.
type bucket struct {
	token    *token
	entries  btree.Map[string, effect]
	perActor btree.Map[string, int]
	// until is the log time to which the last of the entries is owed.
	until int64
}

// effect is what a key did.
type effect struct {
	Hash events.Hash
	Last events.Position
	Time int64
}

func (k *keys) clone() keys {
	return keys{buckets: *k.buckets.Copy(), total: k.total, perActor: *k.perActor.Copy(), token: &token{}}
}

// writable returns the bucket of a minute as one that these keys may write to.
func (k *keys) writable(minute int64) *bucket {
	b, ok := k.buckets.Get(minute)
	switch {
	case !ok:
		b = &bucket{token: k.token}
	case b.token != k.token:
		b = &bucket{token: k.token, entries: *b.entries.Copy(), perActor: *b.perActor.Copy(), until: b.until}
	default:
		return b
	}
	k.buckets.Set(minute, b)
	return b
}

func minuteOf(key commands.Key) int64 { return key.Time() / int64(time.Minute) }

func entryID(key commands.Key, actor string) string { return string(key[:]) + actor }

// Recall looks a request's key up before it is decided. done is true when the
// key already had its effect: receipt is the answer then. The error is a
// rejection by the key alone. now is the leader's clock, Unix nanoseconds.
func (m *Model) Recall(r *commands.Request, now int64) (receipt commands.Receipt, done bool, err error) {
	if r.Key.IsZero() {
		return commands.Receipt{}, false, nil
	}
	if !r.Key.Valid() {
		return commands.Receipt{}, false, &commands.Rejected{Kind: commands.Invalid, Reason: "idempotency_malformed",
			Field: "idempotencyKey", Message: "the idempotency key is no UUID of version 7", Allowed: "a UUIDv7 (RFC 9562)"}
	}
	if e, ok := m.keys.get(r.Key, r.Actor); ok {
		if e.Hash != r.Hash {
			return commands.Receipt{}, false, commands.Refuse("idempotency_mismatch", "the key was used for another request, which took effect at position %d", e.Last)
		}
		return commands.Receipt{Position: e.Last, Time: e.Time, Replayed: true}, true, nil
	}
	return commands.Receipt{}, false, m.checkKey(r, now)
}

func (m *Model) checkKey(r *commands.Request, now int64) error {
	at := r.Key.Time()
	switch {
	case at < m.Time-int64(KeyWindow):
		return m.outOfWindow("idempotency_expired", at)
	case at > max(m.Time, now)+int64(KeyAhead):
		return m.outOfWindow("idempotency_ahead", at)
	}
	if n, _ := m.keys.perActor.Get(r.Actor); n >= MaxKeysPerActor || m.keys.total >= MaxKeys {
		return &commands.Rejected{Kind: commands.Exhausted, Reason: "idempotency_quota",
			Message: fmt.Sprintf("%s has used %d keys within the window", r.Actor, n), Allowed: fmt.Sprint(MaxKeysPerActor)}
	}
	return nil
}

func (m *Model) outOfWindow(reason string, at int64) error {
	return &commands.Rejected{Kind: commands.Refused, Reason: reason, LogTime: m.Time,
		Message: fmt.Sprintf("the key is dated %s, log time is %s", stamp(at), stamp(m.Time)),
		Allowed: "15 minutes before log time to 1 minute after it"}
}

func stamp(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano) }

func (k *keys) get(key commands.Key, actor string) (effect, bool) {
	b, ok := k.buckets.Get(minuteOf(key))
	if !ok {
		return effect{}, false
	}
	return b.entries.Get(entryID(key, actor))
}

// evolve records a decision's key once, at its last event, and forgets buckets
// whose window has passed.
func (k *keys) evolve(r events.Recorded) {
	if r.Position != r.Decision {
		return
	}
	k.prune(r.Time)
	if len(r.Meta.GetIdempotencyKey()) != len(commands.Key{}) {
		return
	}
	var key commands.Key
	copy(key[:], r.Meta.IdempotencyKey)
	e := effect{Last: r.Position, Time: r.Time}
	copy(e.Hash[:], r.Meta.RequestHash)
	k.put(key, r.Meta.Actor, e)
}

func (k *keys) put(key commands.Key, actor string, e effect) {
	b := k.writable(minuteOf(key))
	b.until = max(b.until, max(key.Time(), e.Time)+int64(KeyWindow))
	if _, replaced := b.entries.Set(entryID(key, actor), e); replaced {
		return
	}
	k.total++
	add(&b.perActor, actor, 1)
	add(&k.perActor, actor, 1)
}

func add(m *btree.Map[string, int], actor string, by int) {
	n, _ := m.Get(actor)
	if n += by; n <= 0 {
		m.Delete(actor)
		return
	}
	m.Set(actor, n)
}

func (k *keys) prune(logTime int64) {
	for {
		minute, b, ok := k.buckets.Min()
		if !ok || b.until >= logTime {
			return
		}
		k.buckets.Delete(minute)
		k.total -= b.entries.Len()
		b.perActor.Scan(func(actor string, n int) bool {
			add(&k.perActor, actor, -n)
			return true
		})
	}
}
