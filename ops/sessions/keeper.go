package sessions

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// Leader is what the keeper asks the sequencer.
type Leader interface {
	View() sequencer.View
	Status() sequencer.Status
}

// Keeper is the Leases of a server, shared by the handlers of heartbeats and by
// the controller's loop. Its lock is never held across I/O.
type Keeper struct {
	leader Leader
	clock  sequencer.Clock
	logger *slog.Logger

	mu      sync.Mutex
	leases  *Leases
	braking bool
	// news has a value after a node said something new, so that the handoff
	// controller hears of a release at once.
	news chan struct{}
}

// NewKeeper returns a keeper that answers for a leader.
func NewKeeper(leader Leader, clock sequencer.Clock, logger *slog.Logger) *Keeper {
	return &Keeper{leader: leader, clock: clock, logger: logger, leases: NewLeases(), news: make(chan struct{}, 1)}
}

// Name implements the loop's controller.
func (k *Keeper) Name() string { return "sessions" }

// Beat answers a heartbeat. The receipt's time is taken before the authority is
// checked, so that a pause in between costs the node, not the guarantee.
func (k *Keeper) Beat(_ context.Context, hb Heartbeat) (Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock().Boot
	view, gained, ok := k.authority(now)
	if !ok || !answers(view.Model, k.leader.Status().Term) {
		return Answer{}, ErrNoAuthority
	}
	if !k.leases.Has(hb.NodeID, hb.Session, gained) { // or each heartbeat would look at every node
		k.leases.Sync(view.Model, gained, now)
	}
	a, err := k.leases.Beat(view.Model, hb, now)
	if hb.Full && (err == nil || errors.Is(err, ErrExpiring)) { // its releases are heard also then
		select {
		case k.news <- struct{}{}:
		default:
		}
	}
	return a, err
}

// News delivers a value after a node said something new of what it holds.
func (k *Keeper) News() <-chan struct{} { return k.news }

// authority returns the newest view, and how often authority was gained; false
// without authority.
func (k *Keeper) authority(now int64) (view sequencer.View, gained uint64, ok bool) {
	st := k.leader.Status()
	if !st.Leading || now >= st.AuthorityUntil {
		return sequencer.View{}, 0, false
	}
	return k.leader.View(), st.AuthorityGained, true
}

// Step implements the loop's controller.
func (k *Keeper) Step(_ sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	view, gained, ok := k.authority(now.Boot)
	if !ok || view.Model.Control.Sealed != 0 { // no timer runs out on a sealed log
		return nil, time.Second
	}
	k.leases.Sync(view.Model, gained, now.Boot)
	cmds, next := k.leases.Step(now.Boot)
	until, braking := k.leases.Braking(now.Boot)
	if braking && !k.braking {
		k.logger.Error("most sessions fell silent at once: no session is closed for now, check the control plane first",
			"hold", time.Duration(until-now.Boot))
	}
	k.braking = braking
	if next == 0 {
		return cmds, time.Second
	}
	return cmds, max(0, time.Duration(next-now.Boot))
}

// Answered implements the loop's answerer: a close that was definitely not
// stored gives the session its timer back, one whose outcome is open is asked
// for again.
func (k *Keeper) Answered(cmd commands.Command, err error) {
	c, ok := cmd.(membership.CloseSession)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases.Answered(c, err, k.clock().Boot)
}

// EachReleased implements handoff.Reports.
func (k *Keeper) EachReleased(node string, session events.Position, fn func(string, uint32, events.Position)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases.EachReleased(node, session, fn)
}

// EachPrepared implements handoff.Reports.
func (k *Keeper) EachPrepared(node string, session events.Position, fn func(string, uint32, events.Position)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases.EachPrepared(node, session, fn)
}

// EachHeld implements drainer.Reports. Who does not lead has not heard.
func (k *Keeper) EachHeld(node string, session events.Position, fn func(string, uint32, events.Position)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, _, leads := k.authority(k.clock().Boot); !leads {
		return false
	}
	return k.leases.EachHeld(node, session, fn)
}

// LastSeen is when a node's heartbeat was last answered by this server, while it
// leads: what it knows of before is old.
func (k *Keeper) LastSeen(node string) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.when(k.leases.LastSeen(node))
}

// Expires is when a node's session expires if nothing more is heard, while this
// server leads.
func (k *Keeper) Expires(node string) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.when(k.leases.Deadline(node))
}

func (k *Keeper) when(boot int64, ok bool) (time.Time, bool) {
	now := k.clock()
	if _, _, leads := k.authority(now.Boot); !ok || !leads {
		return time.Time{}, false
	}
	return time.Unix(0, now.Wall+boot-now.Boot), true
}
