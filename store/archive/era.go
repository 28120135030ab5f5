package archive

import (
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

const (
	// Stride is what the first positions of eras are multiples of.
	Stride = 1_000_000_000
	// Unseen is how many positions beyond the last known one are taken to be
	// known as well: decisions after the backup, which were lost with the log.
	Unseen = 100_000_000
	// MaxSettle bounds how long members can be kept waiting.
	MaxSettle = 24 * time.Hour
)

// Era is where a restored log goes on.
type Era struct {
	Number uint64
	// Next is the first position of the era, that of its EraStarted.
	Next events.Position
}

// NextEra is the era that follows an archive in which positions up to above are
// known from elsewhere. An era's number follows from its first position, so that
// two restores that begin at different places never have one name.
func NextEra(h Header, above events.Position) (Era, error) {
	known := max(h.Mark.Position, above)
	if known > events.MaxPosition {
		return Era{}, fmt.Errorf("%w: %d is known, and positions end at %d", ErrPosition, known, uint64(events.MaxPosition))
	}
	slot := (uint64(known)+Unseen)/Stride + 1
	if slot*Stride > events.MaxPosition {
		return Era{}, fmt.Errorf("%w: no era fits above %d, positions end at %d", ErrPosition, known, uint64(events.MaxPosition))
	}
	return Era{Number: max(h.Mark.Era, slot) + 1, Next: events.Position(slot * Stride)}, nil
}

// opening is what a restore says of the era that it opens.
type opening struct {
	era     Era
	cluster string
	settle  time.Duration
	time    int64
	by      By
}

// By is who restores, and why; it stands on the log.
type By struct {
	Actor, Reason, ChangeTicket string
}

// message is the frame that opens the era after a mark.
func (o opening) message(at store.Mark) (store.Message, error) {
	data, err := events.Marshal(&eventsv1.Frame{
		LogId: at.LogID[:], Era: o.era.Number, First: uint64(o.era.Next), PrevHash: at.Hash[:], Time: max(o.time, at.Time),
		Decisions: []*eventsv1.Decision{{
			Meta: &eventsv1.Meta{Actor: o.by.Actor, Reason: o.by.Reason, ChangeTicket: o.by.ChangeTicket, Command: "control.RestoreEra"},
			Events: []*eventsv1.Event{{Kind: &eventsv1.Event_EraStarted{EraStarted: &eventsv1.EraStarted{
				ClusterId: o.cluster, Era: o.era.Number, RestoredPosition: uint64(at.Position), Next: uint64(o.era.Next),
				SettleMs: uint32(o.settle / time.Millisecond),
			}}}},
		}},
	})
	return store.Message{Sequence: at.Sequence + 1, Data: data}, err
}

// leases gathers the leases that members may have at the end of an archive: those
// of the sessions that are open, and of what is opened by the policy, and how long
// they own by them. A session that was closed ended after its lease.
type leases struct {
	policy time.Duration
	open   map[uint64]time.Duration // by the session's position
	// ridden is how long ownerships of a namespace that is owned by lease outlive it.
	ridden map[string]time.Duration
}

func (l *leases) see(f *eventsv1.Frame) {
	_ = events.Each(f, func(r events.Recorded) error { // fn never fails
		switch e := r.Event.Kind.(type) {
		case *eventsv1.Event_PolicySet:
			if s := e.PolicySet.GetSession(); s != nil {
				l.policy = time.Duration(s.TtlMs) * time.Millisecond
			}
		case *eventsv1.Event_SessionOpened:
			if l.open == nil {
				l.open = map[uint64]time.Duration{}
			}
			l.open[uint64(r.Position)] = time.Duration(e.SessionOpened.TtlMs) * time.Millisecond
		case *eventsv1.Event_SessionClosed:
			delete(l.open, e.SessionClosed.Session)
		case *eventsv1.Event_NamespaceCreated:
			l.ride(e.NamespaceCreated.Namespace, e.NamespaceCreated.Spec)
		}
		return nil
	})
}

// ride notes a namespace, for good: also where it is deleted by now, members may not
// have heard of it yet. Modes and times are given when it is created.
func (l *leases) ride(name string, spec *eventsv1.NamespaceSpec) {
	if spec.GetOwnership() != eventsv1.Ownership_OWNERSHIP_LEASE || spec.GetOwnershipTtlMs() == 0 {
		return
	}
	if l.ridden == nil {
		l.ridden = map[string]time.Duration{}
	}
	l.ridden[name] = max(l.ridden[name], time.Duration(spec.GetOwnershipTtlMs())*time.Millisecond)
}

func (l *leases) longest() time.Duration {
	longest := l.policy
	for _, ttl := range l.ridden {
		longest = max(longest, ttl)
	}
	for _, ttl := range l.open {
		longest = max(longest, ttl)
	}
	return min(longest, MaxSettle)
}
