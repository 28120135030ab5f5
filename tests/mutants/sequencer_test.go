package mutants

const sequencer = "commands/sequencer"

// story is the transcript of the sequencer that must fail.
func story(name string) string { return "TestTranscripts/" + name + "$" }

// ofSequencer are the frame in flight, its overlay, and the answers.
func ofSequencer() []mutant {
	core, decide := sequencer+"/core.go", sequencer+"/decide.go"
	return []mutant{
		{"a refused frame leaves its overlay", core, []string{
			"	c.evolve([]store.Message{m})\n	if c.role != leader {\n		c.stepDownQueue()", "	c.evolve([]store.Message{m})\n	f.overlay.Freeze()\n	c.view.Model = f.overlay\n	if c.role != leader {\n		c.stepDownQueue()",
		}, sequencer, story("refused_leader")},
		{"a refused frame leaves its keys", core, []string{
			"	c.evolve([]store.Message{m})\n	if c.role != leader {\n		c.stepDownQueue()", "	c.evolve([]store.Message{m})\n	f.overlay.Freeze()\n	c.view.Model = f.overlay\n	if c.role != leader {\n		c.stepDownQueue()",
		}, sequencer, story("idempotency_refused_frame")},
		{"a refused frame is answered from its overlay", core, []string{
			"	c.queue = append(f.pending, c.queue...)\n	c.evolve([]store.Message{m})", "	for _, p := range f.pending {\n		c.answer(p, p.receipt, p.err)\n	}\n	c.evolve([]store.Message{m})",
		}, sequencer, story("refused_leader")},
		{"the overlay is seen before it is stored", core, []string{
			"func (c *Core) View() View { return c.view }", "func (c *Core) View() View {\n	if c.flight != nil {\n		return View{Model: c.flight.overlay, Mark: c.view.Mark}\n	}\n	return c.view\n}",
		}, sequencer, story("group_commit")},
		{"any error is a refusal", core, []string{
			"	c.flight.load = true // an error is no outcome: look what is there", "	c.queue = append(c.flight.pending, c.queue...)\n	c.flight = nil",
		}, sequencer, story("outcome_open")},
		{"any error is an ack", core, []string{
			"	if err == nil {\n		c.storedFlight()", "	if c.flight != nil {\n		c.storedFlight()",
		}, sequencer, story("outcome_open")},
		{"not found is a refusal", core, []string{
			"		c.flight.load, c.flight.notBefore = false, now.Boot+int64(RetryAfter)", "		c.queue = append(c.flight.pending, c.queue...)\n		c.flight = nil",
		}, sequencer, story("outcome_open")},
		{"what is there is taken for ours", core, []string{
			"	case bytes.Equal(m.Data, c.flight.data):\n		c.storedFlight()", "	case !bytes.Equal(m.Data, nil):\n		c.storedFlight()",
		}, sequencer, story("refused_leader")},
		{"a late report ends another frame", core, []string{
			"if c.flight == nil || c.flight.expect != expect {", "if c.flight == nil {",
		}, sequencer, story("outcome_stored")},
		{"other bytes are published again", core, []string{
			"		c.flight.load, c.flight.notBefore = false, now.Boot+int64(RetryAfter)", "		c.flight.load, c.flight.notBefore = false, now.Boot+int64(RetryAfter)\n		c.flight.data = append(bytes.Clone(c.flight.data), 0xfa, 0x7f, 0)",
		}, sequencer, story("outcome_open")},
		{"refusals are answered at once", decide, []string{
			"	c.waiting = append(c.waiting, b.pending...)", "	for _, p := range b.pending {\n		c.answer(p, p.receipt, p.err)\n	}",
		}, sequencer, story("waits")},
		{"refusals are answered before their frame", decide, []string{
			"	c.queue = append(c.queue[:0:0], c.queue[taken:]...)", "	c.queue = append(c.queue[:0:0], c.queue[taken:]...)\n	for _, p := range b.pending {\n		if p.err != nil {\n			c.answer(p, p.receipt, p.err)\n		}\n	}",
		}, sequencer, story("group_commit")},
		{"the idempotency look-up is skipped", decide, []string{
			"	if done || err != nil {\n", "	if err != nil {\n",
		}, sequencer, story("idempotency")},
		{"a dry run writes", decide, []string{
			"	case r.DryRun:\n		p.receipt.Events, p.receipt.DryRun = evs, true\n", "",
		}, sequencer, story("group_commit")},
		{"who gave up is decided all the same", decide, []string{
			"		if p.Cancelled != nil && p.Cancelled() {", "		if p.Cancelled != nil && p.Cancelled() && false {",
		}, sequencer, story("cancelled")},
		{"frames have no limit", decide, []string{
			"	if b.bytes+size > events.MaxFrameBytes || have+len(evs) > events.MaxFrameEvents {", "	if b.bytes+size > 1<<30 || have+len(evs) > 1<<30 {",
		}, sequencer, story("limits")},
		{"a frame has no bound of work", decide, []string{
			"	if b.touched > 0 && b.touched+touches > maxTouched {", "	if b.touched < 0 {",
		}, sequencer, "TestFrameOfLittleWork"},
		{"a decision that fits nowhere waits for ever", decide, []string{
			"	if size+frameOverhead > events.MaxFrameBytes || len(evs) > events.MaxFrameEvents {", "	if size+frameOverhead > 1<<30 || len(evs) > 1<<30 {",
		}, sequencer, story("limits")},
		{"time runs backwards", decide, []string{"Time: max(now.Wall, mark.Time)", "Time: now.Wall"}, sequencer, story("time")},
		{"others can fill the queue for this server's own", core, []string{"		room += OwnQueue", "		room += 0"}, sequencer, "TestOwnCommandsUnderLoad"},
		{"the queue has no bound", core, []string{
			"	if len(c.queue)+len(c.waiting) >= room {", "	if len(c.queue)+len(c.waiting) >= 1<<30 {",
		}, sequencer, story("queue")},
		{"a stop leaves what is in flight", sequencer + "/loop.go", []string{
			"	for time.Now().Before(deadline) && !l.core.Idle() && l.core.Fatal() == nil {", "	for time.Now().Before(deadline) && false {",
		}, sequencer, "TestStopResolves"},
		{"who stopped waiting for a frame is told that it was not tried", sequencer + "/sequencer.go", []string{
			"	c.state.CompareAndSwap(callQueued, callDecided)\n", "",
		}, sequencer, "TestSubmitGivesUp"},
	}
}

// ofAuthority are the register and the grant.
func ofAuthority() []mutant {
	core, authority := sequencer+"/core.go", sequencer+"/authority.go"
	return []mutant{
		{"the grant does not wait for the register", sequencer + "/decide.go", []string{
			"	case c.role == candidate && c.auth.valid(now):", "	case c.role == candidate:",
		}, sequencer, story("authority")},
		{"a late ack proves an earlier candidacy", authority, []string{
			"a.known, a.until, a.term, a.stale = false, 0, 0, a.busy", "a.known, a.until, a.term, a.stale = false, 0, 0, false",
		}, sequencer, story("stale_register")},
		{"authority is counted from the ack", authority, []string{
			"a.started+int64(AuthorityFor)", "now.Boot+int64(AuthorityFor)",
		}, sequencer, story("authority")},
		{"authority does not end", sequencer + "/sequencer.go", []string{
			"	return st.Leading && s.opts.Clock().Boot < st.AuthorityUntil", "	return st.Leading",
		}, sequencer, "TestAuthorityEnds"},
		{"a lapse of authority is not noted", authority, []string{
			"		a.gained++ // a gap", "		_ = a.gained // a gap",
		}, sequencer, story("authority")},
		{"timers are not restarted after a lapse", authority, []string{
			"		a.gained++ // a gap", "		a.gained = 1 // a gap",
		}, "tests/sim", "TestPauseOfServers"},
		{"the register of another is overwritten", authority, []string{
			"c != a.mine && a.term != 0 {", "c != a.mine && a.term != 0 && false {",
		}, sequencer, story("deposed")},
		{"a renewal that began before the decision counts", authority, []string{
			"		if p.since <= started {", "		if p.since <= started || c.role == leader {",
		}, sequencer, story("waits")},
		{"a failed renewal counts", authority, []string{
			"	if err != nil || c.role == follower {", "	if c.role == follower {",
		}, sequencer, story("waits_lost_renewal")},
		{"the grant of another is ignored", core, []string{
			"	case c.role >= elected && !c.holdsControl():", "	case c.role >= elected && !c.holdsControl() && c.fatal != nil:",
		}, sequencer, story("deposed_by_log")},
		{"it leads before its grant is stored", core, []string{
			"c.role != leader || term != 0 &&", "c.role == follower || term != 0 &&",
		}, sequencer, story("not_leader")},
		{"a stored grant leads without another proof", core, []string{
			"			c.role = elected\n			c.auth.confirm()", "			c.role = leader",
		}, sequencer, story("elected")},
		{"a write from before the grant confirms it", authority, []string{
			"func (a *authority) confirm() { a.early = a.busy }", "func (a *authority) confirm() { a.early = false }",
		}, sequencer, story("elected_early")},
		{"a server campaigns over an unknown event", core, []string{
			"	if c.view.Model.Unknown != 0 {\n		return", "	if c.view.Model.Unknown == 1<<60 {\n		return",
		}, sequencer, story("future")},
		{"a candidate goes on over an unknown event", core, []string{
			"	case c.view.Model.Unknown != 0: // T6", "	case c.fatal != nil: // T6",
		}, sequencer, story("future_candidate")},
	}
}

// ofSnapshots are what a restart begins with.
func ofSnapshots() []mutant {
	snapshot := sequencer + "/snapshot.go"
	return []mutant{
		{"a snapshot of another evolve version is accepted", snapshot, []string{
			"	if h.Evolve != model.EvolveVersion {", "	if h.Evolve == 1<<60 {",
		}, sequencer, "TestSnapshotDamaged"},
		{"a damaged snapshot is accepted", snapshot, []string{
			"state.String() != h.StateHash {", "state.String() == \"\" {",
		}, sequencer, "TestSnapshotDamaged"},
		{"a snapshot ahead of the log is accepted", sequencer + "/sequencer.go", []string{
			"	if last < from {", "	if last < from && false {",
		}, sequencer, "TestRunRefusesLog"},
		{"a snapshot of another position is accepted", snapshot, []string{
			"	if m.Position != mark.Position || m.Time != mark.Time {", "	if m.Position == 1<<60 {",
		}, sequencer, "TestSnapshotDamaged"},
	}
}
