package member

import "time"

// settle decides what one shard needs now.
func (c *Core) settle(now int64, ref Ref) Output {
	row, mine := c.mine(ref)
	h := c.holds[ref]
	if h == nil {
		if !mine || c.leaving || now >= c.lease {
			return nil
		}
		if row.Draining || row.Fence <= c.floor[ref] { // never to start here: released as it is
			c.holds[ref] = held(row)
			c.release(ref, c.holds[ref])
			return nil
		}
		if c.preparing(ref) {
			return nil
		}
		return c.start(row)
	}
	switch {
	case !c.gives(row, h):
		return c.settleForeign(now, ref, h, row, mine)
	case h.released:
		return nil
	case h.running && !h.stopped && now >= c.until(h):
		return c.lapse(ref, h)
	case h.running && h.ending == 0 && (row.Draining || c.leaving):
		return c.end(ref, h, EndReleased)
	case !h.running && !mine: // of an earlier session: to be bound again first
		delete(c.holds, ref)
		c.changed = true
	case !h.running && (row.Draining || c.leaving):
		c.release(ref, h)
	case !h.running && now < c.lease:
		return c.start(row)
	case h.running && h.ending == EndLease && (row.Draining || c.leaving):
		h.ending = EndReleased // it ends anyway; its return is then a release
	}
	return nil
}

// settleForeign ends what the log no longer gives to this session with this
// fence. A fence at or below one that was held is never started.
func (c *Core) settleForeign(now int64, ref Ref, h *hold, row Row, mine bool) Output {
	switch {
	case h.running && mine && h.session < c.session:
		return c.rebound(now, ref, h)
	case h.running:
		return c.stop(ref, h)
	}
	if mine && row.Fence <= h.fence {
		return nil // an older past: keep what is known of the newer fence
	}
	delete(c.holds, ref)
	c.changed = true
	if mine {
		return c.settle(now, ref)
	}
	return nil
}

func (c *Core) release(ref Ref, h *hold) {
	h.released, c.changed = true, true
	c.floor[ref] = max(c.floor[ref], h.fence)
}

func (c *Core) start(row Row) Output {
	c.dropPrep(row.Ref)
	h := held(row)
	h.running = true
	c.holds[row.Ref] = h
	c.running++
	c.changed = true
	if h.mode == Leased && h.ttl > 0 {
		c.ends = sooner(c.ends, c.until(h))
	}
	return Start{Ref: row.Ref, Fence: row.Fence, Mode: h.mode, TTL: time.Duration(h.ttl)}
}

// end asks a callback to release.
func (c *Core) end(ref Ref, h *hold, cause EndCause) Output {
	h.ending = cause
	return End{Ref: ref, Fence: h.fence, Cause: cause}
}

// lapse tells a callback that the lease has ended. One that was releasing goes
// on to be a release when it returns.
func (c *Core) lapse(ref Ref, h *hold) Output {
	h.stopped = true
	if h.ending == 0 {
		h.ending = EndLease
	}
	return End{Ref: ref, Fence: h.fence, Cause: EndLease}
}

// stop tells a callback that the shard is no longer this session's.
func (c *Core) stop(ref Ref, h *hold) Output {
	if h == nil || !h.running || h.ending == EndReassigned {
		return nil
	}
	stopped := h.stopped
	h.ending, h.stopped = EndReassigned, true
	if stopped {
		return nil
	}
	return End{Ref: ref, Fence: h.fence, Cause: EndReassigned}
}
