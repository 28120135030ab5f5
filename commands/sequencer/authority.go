package sequencer

import (
	"encoding/json"
	"errors"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// Claim is what the authority register holds.
type Claim struct {
	Server      string `json:"server"`
	Incarnation string `json:"incarnation"`
}

// authority is this process's side of the authority register: what it wrote
// last, and until when that proves that it leads.
type authority struct {
	mine Claim
	data []byte

	// term is the position of this incarnation's grant; 0 before it is stored.
	term events.Position
	// version of the register at our last write, or as read.
	version uint64
	// known: version was read or written and the register is not another's.
	known bool
	// until is the boot time at which authority ends; gained counts how often it
	// was gained after it had ended.
	until  int64
	gained uint64

	busy bool
	// stale: the operation under way was asked for by an earlier candidacy. What
	// it says of the register proves nothing for this one.
	stale bool
	// early: the write under way began before the grant was stored, and does not
	// confirm it.
	early     bool
	started   int64 // boot time at which the write under way was asked for
	proven    int64 // boot time of the start of the last successful write
	notBefore int64
}

func newAuthority(cfg Config) authority {
	a := authority{mine: Claim{Server: cfg.Server, Incarnation: cfg.Incarnation}}
	a.data, _ = json.Marshal(a.mine) // two strings always marshal
	return a
}

// claim begins a candidacy: the register is read before it is written.
func (a *authority) claim() { a.drop() }

// drop ends authority at once. A write that is still under way does not bring
// it back: its ack may come when another server has taken the register since.
func (a *authority) drop() { a.known, a.until, a.term, a.stale = false, 0, 0, a.busy }

// confirm asks for a write that begins after the grant was stored.
func (a *authority) confirm() { a.early = a.busy }

// ended notes that the operation under way has ended. It returns false when the
// result is of no use.
func (a *authority) ended() bool {
	stale := a.stale
	a.busy, a.stale = false, false
	return !stale
}

func (a *authority) valid(now Now) bool { return a.known && now.Boot < a.until }

// ready asks for the next operation on the register: a read while it is not
// known whose it is; a write when one is due, or when somebody waits for a
// renewal.
func (a *authority) ready(now Now, active, awaited bool, r *Ready) {
	if !active || a.busy {
		return
	}
	if now.Boot < a.notBefore {
		r.wakeAt(a.notBefore)
		return
	}
	if !a.known {
		a.busy, r.Read = true, true
		return
	}
	due := a.proven + int64(AuthorityEvery)
	if now.Boot < due && !awaited && a.valid(now) {
		r.wakeAt(due)
		return
	}
	a.busy, a.started, a.early = true, now.Boot, false
	r.Write = &Write{Expect: a.version, Data: a.data}
}

// wrote takes the result of a write.
func (a *authority) wrote(now Now, version uint64, err error) {
	if !a.ended() {
		return
	}
	if err != nil {
		// Whether it was written is open, or another wrote: read what is there.
		a.known = false
		if !errors.Is(err, store.ErrWrongSequence) {
			a.notBefore = now.Boot + int64(RetryAfter)
		}
		return
	}
	if now.Boot >= a.until {
		a.gained++ // a gap, however short: every timer starts again
	}
	a.version, a.proven, a.until = version, a.started, a.started+int64(AuthorityFor)
}

// read takes the result of a read. It returns true when the register is
// another's and ours was there before: this server was deposed.
func (a *authority) read(now Now, version uint64, data []byte, err error) (deposed bool) {
	if !a.ended() {
		return false
	}
	if err != nil {
		a.notBefore = now.Boot + int64(RetryAfter)
		return false
	}
	var c Claim
	if len(data) > 0 && json.Unmarshal(data, &c) == nil && c != a.mine && a.term != 0 {
		return true
	}
	a.known, a.version = true, version
	return false
}

// Written reports what store.Register.Write returned.
func (c *Core) Written(now Now, version uint64, err error) {
	started := c.auth.started
	c.auth.wrote(now, version, err)
	if err != nil || c.role == follower {
		return
	}
	if c.role == elected && !c.auth.early && c.auth.known {
		c.role = leader
	}
	keep := c.waiting[:0]
	for _, p := range c.waiting {
		if p.since <= started {
			c.answer(p, p.receipt, p.err)
		} else {
			keep = append(keep, p)
		}
	}
	c.waiting = keep
}

// WasRead reports what store.Register.Read returned.
func (c *Core) WasRead(now Now, version uint64, data []byte, err error) {
	if c.auth.read(now, version, data, err) {
		c.stepDown()
	}
}
