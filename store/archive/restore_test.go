package archive_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// restored restores an archive into memory, by default options.
func restored(t *testing.T, b []byte, change func(*archive.RestoreOptions)) (*memlog.Log, archive.Restored, error) {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	era, err := archive.NextEra(r.Header(), 0)
	if err != nil {
		t.Fatal(err)
	}
	o := archive.RestoreOptions{Era: era, Now: start + int64(time.Hour), By: archive.By{Actor: "local/ann", Reason: "drill"}}
	if change != nil {
		change(&o)
	}
	to := memlog.New(nil)
	made, err := archive.Restore(t.Context(), r, to, o)
	return to, made, err
}

// replay is the model of a log, which must verify.
func replay(t *testing.T, all []store.Message) (*model.Model, store.Mark) {
	t.Helper()
	m, at := model.New(), store.Mark{}
	for _, msg := range all {
		frame, head, err := at.Next(msg.Data)
		if err != nil {
			t.Fatalf("message %d: %v", msg.Sequence, err)
		}
		m.EvolveFrame(frame)
		at = store.Mark{Head: head, Sequence: msg.Sequence}
	}
	return m, at
}

// TestRestore: the frames are those of the archive, and one more opens the era.
func TestRestore(t *testing.T) {
	l := sample(t)
	b, summary := l.archived()
	to, made, err := restored(t, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := messages(t, to)
	if diff := cmp.Diff(messages(t, l.log), all[:5]); diff != "" || len(all) != 6 {
		t.Errorf("%d messages (-archived +restored):\n%s", len(all), diff)
	}
	m, at := replay(t, all)
	want := archive.Restored{Archive: summary, Position: 11, Settle: 7 * time.Second, Mark: at}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at.Era != 2 || at.Position != archive.Stride || at.LogID != l.mark.LogID {
		t.Errorf("it ends at %+v", at)
	}
	if c := m.Control; c.Cluster != "c1" || c.Era != 2 || c.StartedAt != archive.Stride {
		t.Errorf("the control state is %+v", c)
	}
}

// TestRestoreTo: up to the end of any decision, inside of a frame too, and to no
// other position.
func TestRestoreTo(t *testing.T) {
	l := sample(t)
	b, _ := l.archived()
	source := messages(t, l.log)
	for at, whole := range map[events.Position]int{1: 1, 2: 2, 4: 3, 6: 3, 7: 3, 10: 4, 11: 5} {
		to, made, err := restored(t, b, func(o *archive.RestoreOptions) { o.Position = at })
		if err != nil {
			t.Fatalf("to %d: %v", at, err)
		}
		all := messages(t, to)
		if diff := cmp.Diff(source[:whole], all[:whole]); diff != "" {
			t.Errorf("to %d (-archived +restored):\n%s", at, diff)
		}
		if _, end := replay(t, all[:len(all)-1]); end.Position != at || made.Position != at {
			t.Errorf("to %d: it ends at %d, and says %d", at, end.Position, made.Position)
		}
		// What is known is above what is restored.
		if _, end := replay(t, all); end.Position != archive.Stride || made.Settle != 7*time.Second {
			t.Errorf("to %d: the era begins at %d, settles in %s", at, end.Position, made.Settle)
		}
	}
	for _, at := range []events.Position{3, 5, 8, 9, 12} {
		if _, _, err := restored(t, b, func(o *archive.RestoreOptions) { o.Position = at }); !errors.Is(err, archive.ErrPosition) {
			t.Errorf("to %d: %v", at, err)
		}
	}
}

// TestRestoreOfRestored: an archive with a hole is restored in its turn; nothing
// ends in the hole.
func TestRestoreOfRestored(t *testing.T) {
	b, _ := sample(t).archived()
	to, made, err := restored(t, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	second := &logged{t: t, log: to, mark: made.Mark}
	second.add(cordoned("n9"))
	b, _ = second.archived()
	to, made, err = restored(t, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, at := replay(t, messages(t, to)); at.Era != 3 || at.Position != 2*archive.Stride || at != made.Mark {
		t.Errorf("it ends at %+v", at)
	}
	for at, ok := range map[events.Position]bool{11: true, 12: false, archive.Stride - 1: false, archive.Stride: true} {
		_, _, err := restored(t, b, func(o *archive.RestoreOptions) { o.Position = at })
		if (err == nil) != ok {
			t.Errorf("to %d: %v", at, err)
		}
	}
}

// TestRestoreOfDamaged: a fault in the archive is the restore's, wherever it is.
func TestRestoreOfDamaged(t *testing.T) {
	b, _ := sample(t).archived()
	b[len(b)-1] ^= 1
	if _, _, err := restored(t, b, func(o *archive.RestoreOptions) { o.Position = 2 }); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("restored: %v", err)
	}
}

// TestNextEra: the first position of an era is above all that is known and all
// that may be, and its number belongs to it.
func TestNextEra(t *testing.T) {
	for _, c := range []struct {
		era         uint64
		head, above events.Position
		want        archive.Era
	}{
		{1, 500, 0, archive.Era{Number: 2, Next: 1e9}},
		{1, 500, 1e9 + 300, archive.Era{Number: 3, Next: 2e9}}, // a restore that was lost as well
		{2, 1e9 + 300, 0, archive.Era{Number: 3, Next: 2e9}},
		{1, 1e9 - archive.Unseen - 1, 0, archive.Era{Number: 2, Next: 1e9}},
		{1, 1e9 - archive.Unseen, 0, archive.Era{Number: 3, Next: 2e9}},
		{7, 500, 0, archive.Era{Number: 8, Next: 1e9}},
	} {
		h := archive.Header{Mark: store.Mark{Head: events.Head{Era: c.era, Position: c.head}}}
		if got, err := archive.NextEra(h, c.above); err != nil || got != c.want {
			t.Errorf("after era %d, position %d, above %d: %+v, %v; want %+v", c.era, c.head, c.above, got, err, c.want)
		}
	}
	for _, above := range []events.Position{events.MaxPosition, events.MaxPosition + 1} {
		if _, err := archive.NextEra(archive.Header{}, above); !errors.Is(err, archive.ErrPosition) {
			t.Errorf("above %d: %v", above, err)
		}
	}
}

// TestSettle: what may live at the end of the archive counts, and what was told;
// a session that was closed does not, nor a policy that was replaced; the time of
// every ownership by lease does.
func TestSettle(t *testing.T) {
	policy := func(ttl time.Duration) []*eventsv1.Event {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{
			Kind: "session", Name: "default", Spec: &eventsv1.PolicySet_Session{Session: &eventsv1.SessionPolicy{TtlMs: uint32(ttl / time.Millisecond)}},
		}}}}
	}
	l := newLogged(t, memlog.New(nil))
	want := func(settle, told time.Duration) {
		t.Helper()
		b, _ := l.archived()
		_, made, err := restored(t, b, func(o *archive.RestoreOptions) { o.Position, o.Settle = 1, told })
		if err != nil || made.Settle != settle {
			t.Errorf("it settles in %s, %v; want %s", made.Settle, err, settle)
		}
	}
	want(0, 0)
	l.add(policy(time.Hour))
	want(time.Hour, 0)
	l.add(opened(time.Hour))
	session := l.mark.Position
	l.add(policy(2 * time.Second))
	l.add(opened(3 * time.Second))
	want(time.Hour, 0)
	l.add([]*eventsv1.Event{{Kind: &eventsv1.Event_SessionClosed{SessionClosed: &eventsv1.SessionClosed{NodeId: "n1", Session: uint64(session)}}}})
	want(3*time.Second, 0)
	want(time.Minute, time.Minute)
	owned := func(name string, mode eventsv1.Ownership, ttl time.Duration) []*eventsv1.Event {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{
			Namespace: name, Spec: &eventsv1.NamespaceSpec{ShardCount: 1, Ownership: mode, OwnershipTtlMs: uint32(ttl / time.Millisecond)},
		}}}}
	}
	l.add(owned("a", eventsv1.Ownership_OWNERSHIP_FENCED, time.Hour))
	want(3*time.Second, 0)
	l.add(owned("b", eventsv1.Ownership_OWNERSHIP_LEASE, 2*time.Minute))
	l.add(owned("c", eventsv1.Ownership_OWNERSHIP_LEASE, time.Minute))
	want(2*time.Minute, 0)
	l.add([]*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceDeleted{NamespaceDeleted: &eventsv1.NamespaceDeleted{Namespace: "b"}}}})
	want(2*time.Minute, 0) // its owner may not have heard
}
