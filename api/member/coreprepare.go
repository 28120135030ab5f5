package member

// prep is the preparation for a shard whose move goes to this node. It outlives
// the session: what is warm stays warm, and is reported again.
type prep struct {
	fence   int64 // of the owner; a move of another fence is another one
	running bool  // the callback has not returned
	ready   bool  // it returned, and is reported
	ended   bool  // it was told that the move ended otherwise
}

// settlePrep begins and ends the preparation for a shard. One begins with a live
// lease only, and when nothing of an earlier ownership runs here any more: a
// heartbeat has one line for each shard.
func (c *Core) settlePrep(ref Ref) []Output {
	row, p := c.rows[ref], c.preps[ref]
	comes := row.To == c.node && row.Owner != c.node && !c.leaving
	if p == nil {
		if !comes || row.Owner == "" || !c.live || c.holds[ref] != nil {
			return nil
		}
		c.preps[ref] = &prep{fence: row.Fence, running: true}
		return []Output{Prepare{Ref: ref, Fence: row.Fence, Owner: row.Owner}}
	}
	switch {
	case p.ended:
		return nil
	case comes && row.Fence == p.fence:
		return nil
	case c.awaits(ref): // it came
		return nil
	case p.running:
		p.ended = true
		return []Output{EndPrepare{Ref: ref, Fence: p.fence}}
	}
	c.dropPrep(ref)
	return append([]Output{EndPrepare{Ref: ref, Fence: p.fence}}, c.settlePrep(ref)...)
}

// awaits reports whether a shard is this session's and waits for its preparation
// to return, or for the lease.
func (c *Core) awaits(ref Ref) bool {
	row, mine := c.mine(ref)
	return mine && !row.Draining && !c.leaving && c.holds[ref] == nil && row.Fence > c.floor[ref]
}

// dropPrep forgets a preparation; the heartbeat stops to name it.
func (c *Core) dropPrep(ref Ref) {
	if p := c.preps[ref]; p != nil {
		c.changed = c.changed || p.ready
		delete(c.preps, ref)
	}
}

// prepared takes the return of a preparation.
func (c *Core) prepared(x PrepareEnded) {
	p := c.preps[x.Ref]
	if p == nil || p.fence != x.Fence || !p.running {
		return
	}
	p.running = false
	c.dirty[x.Ref] = struct{}{}
	if p.ended || !x.Ready {
		c.dropPrep(x.Ref)
		return
	}
	p.ready, c.changed = true, true
}

// preparing reports whether a callback still prepares a shard: what it prepares
// it is not given before it returns.
func (c *Core) preparing(ref Ref) bool {
	p := c.preps[ref]
	return p != nil && p.running
}
