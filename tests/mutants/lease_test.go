package mutants

// ofLeases are the timers of the control leader.
func ofLeases() []mutant {
	const sessions, step, keeper, sim = "ops/sessions", "ops/sessions/step.go", "ops/sessions/keeper.go", "tests/sim"
	return []mutant{
		{"a heartbeat is answered without authority", keeper, []string{
			"	if !st.Leading || now >= st.AuthorityUntil {", "	if !st.Leading {",
		}, sessions, "TestBeatNeedsAuthority"},
		{"a heartbeat is answered without a grant", keeper, []string{
			"	if !st.Leading || now >= st.AuthorityUntil {", "	if now >= st.AuthorityUntil {",
		}, sessions, "TestBeatNeedsAuthority"},
		{"a heartbeat of another session is answered", step, []string{
			"	if !ok || hb.Session == 0 || n.Session != hb.Session {", "	if !ok {",
		}, sessions, "TestBeatNeedsSessionAndSecret"},
		{"a heartbeat needs no secret", step, []string{
			"subtle.ConstantTimeCompare(n.SecretHash[:], hb.Secret[:]) != 1 {", "subtle.ConstantTimeCompare(n.SecretHash[:], hb.Secret[:]) == 2 {",
		}, sessions, "TestBeatNeedsSessionAndSecret"},
		{"the timers go on when authority is gained anew", step, []string{
			"		case anew:\n			x.deadline = now + int64(n.TTL+Grace)", "		case anew && now < 0:\n			x.deadline = now + int64(n.TTL+Grace)",
		}, sim, "TestPauseOfServers|TestSilenceOfServers"},
		{"a failover does not wait for the leader before", step, []string{
			"			if anew {\n				x.deadline += int64(Grace)\n			}", "			if anew {\n				x.deadline -= int64(n.TTL)\n			}",
		}, sim, "TestLeaseOverFailover"},
		{"timers get no grace", step, []string{"	Grace         = time.Second", "	Grace         = 0 * time.Second"}, sim, "TestLeaseOverOverlap"},
		{"an answer makes a timer end sooner", step, []string{
			"max(x.deadline, now+int64(x.ttl))", "now+int64(x.ttl)",
		}, sim, "TestLeaseOverOverlap"},
		{"the mark is not set before the close", step, []string{
			"		x.expiring = true\n", "",
		}, sessions, "TestExpiryIsSerialized"},
		{"the mark ends when authority is gained anew", step, []string{
			"			if granted {", "			if anew {",
		}, sessions, "TestExpiryIsSerialized"},
		{"the mark outlives its grant", step, []string{
			"			if granted {", "			if granted && now < 0 {",
		}, sessions, "TestMarkEndsWithItsGrant"},
		{"the mark does not stop answers", step, []string{
			"	if x.expiring || n.Closing != 0 {", "	if n.Closing != 0 {",
		}, sessions, "TestExpiryIsSerialized"},
		{"an open outcome clears the mark", step, []string{
			"errors.Is(err, sequencer.ErrOutcomeUnknown)", "errors.Is(err, sequencer.ErrOverloaded)",
		}, sessions, "TestOpenOutcome$"},
		{"an open outcome is not asked for again", step, []string{
			"		x.unsure = true\n", "		x.unsure = false\n",
		}, sim, "TestLostClose"},
		{"a close that was not tried settles an earlier one", step, []string{
			"	case !x.unsure || errors.As(err, &rejected):", "	case !x.unsure || !errors.As(err, &rejected) || errors.As(err, &rejected):",
		}, sessions, "TestOpenOutcome"},
		{"a late answer clears another session's mark", step, []string{
			"	if x == nil || x.session != c.Session || !x.expiring {", "	if x == nil || !x.expiring {",
		}, sessions, "TestLateAnswerOfClose"},
		{"there is no brake", step, []string{"len(due) > 0 && !l.era.settling && l.brakes(now) {", "now < 0 && l.brakes(now) {"}, sim, "TestBrake$"},
		{"the brake never ends", step, []string{"		return now < l.brake", "		return now < 1<<62"}, sim, "TestBrakeEnds"},
		{"the brake is put on once for ever", step, []string{"		l.braking = false // the storm", "		_ = l.braking // the storm"}, sessions, "TestBrakeAgain"},
		{"a few dead nodes put the brake on", step, []string{
			"all >= brakeSessions && 2*silent > all", "silent > 0",
		}, sim, "TestNoBrakeForFew"},
	}
}

// ofMembers are the pure ownership core of a member.
func ofMembers() []mutant {
	const member, step, sim = "api/member", "api/member/step.go", "tests/sim"
	return []mutant{
		{"a lease is counted from the receipt of the answer", step, []string{
			"	out = append(out, c.take(in)...)\n	out = append(out, c.reconcile(now)...)", "	if a, ok := in.(Answered); ok {\n		a.SentAt = now\n		in = a\n	}\n	out = append(out, c.take(in)...)\n	out = append(out, c.reconcile(now)...)",
		}, sim, "TestLeaseWithSlowAnswers"},
		{"a lease has no margin", step, []string{"{ return ttl / 8 }", "{ return ttl / 1e6 }"}, sim, "TestLeaseWithClocksThatDrift"},
		{"owning outlives the lease", "api/member/settle.go", []string{
			"	case h.running && !h.stopped && now >= c.until(h):", "	case h.running && !h.stopped && now >= c.until(h) && now < 0:",
		}, member, "TestCore|TestTranscripts"},
		{"an assignment to another session is taken", step, []string{
			" && r.Owner == c.node && r.Session == c.session", " && r.Owner == c.node",
		}, member, "TestCore|TestTranscripts"},
		{"rows of an older position are taken", step, []string{
			"	if x.Position < c.position {\n		return // an older past", "	if x.Position < 0 {\n		return // an older past",
		}, member, "TestCore|TestTranscripts"},
		{"a change of an older position is taken", step, []string{
			"	if position < c.position {\n		return\n	}", "",
		}, member, "TestCore|TestTranscripts"},
		{"a release is reported before the callback returned", "api/member/settle.go", []string{
			"	h.ending = cause\n	return End{", "	h.ending = cause\n	c.release(ref, h)\n	return End{",
		}, sim, "TestMove|TestOwnerNotReleasing"},
		{"a released fence is owned again", "api/member/settle.go", []string{
			"	case h.released:\n		return nil", "	case h.released && c.node == \"\":\n		return nil",
		}, sim, "TestMove|TestLateRelease"},
		{"what is being prepared is owned", "api/member/settle.go", []string{
			"		if c.preparing(ref) {\n			return nil\n		}\n", "",
		}, member, "TestCore|TestTranscripts"},
		{"a preparation is reported before it has returned", step, []string{
			"h == nil && p != nil && p.ready:", "h == nil && p != nil:",
		}, member, "TestCore|TestTranscripts"},
		{"a preparation that ended otherwise is reported", "api/member/coreprepare.go", []string{
			"	if p.ended || !x.Ready {", "	if !x.Ready {",
		}, member, "TestTranscripts"},
		{"a move that ended goes on to be prepared", "api/member/coreprepare.go", []string{
			"	case comes && row.Fence == p.fence:", "	case row.Fence == p.fence:",
		}, member, "TestCore|TestTranscripts"},
		{"a release does not wait for work in flight", "api/member/inflight.go", []string{
			"		if f.n == 0 {\n			f.end()\n		} else {", "		if f.n >= 0 {\n			f.end()\n		} else {",
		}, member, "TestReleaseWaitsForWork|TestForwardInFlight"},
		{"work begins while a release is asked for", "api/member/inflight.go", []string{
			"	if f.closed {\n		return false\n	}\n", "",
		}, member, "TestReleaseWaitsForWork"},
		{"a receiver does not wait for the sender's table", "api/member/forwarddecide.go", []string{
			"c.owner < 0 || c.fence < q.position:", "c.owner < 0:",
		}, member, "TestForwardWaitsForTheSendersTable"},
		{"a write is sent again that may have been done", "api/member/forwardsend.go", []string{
			"	case replay && (q.read || undone(failed)):", "	case replay:",
		}, member, "TestForwardUnknown"},
		{"a stale fence writes to a database", "api/member/fencesql.go", []string{
			"\" AND fence <= \"+f.param(3),\n		token.Fence, token.Scope, token.Fence)", "\"\",\n		token.Fence, token.Scope)",
		}, member, "TestFenceSQL$"},
		{"a lower fence is owned", "api/member/settle.go", []string{
			"	if mine && row.Fence <= h.fence {", "	if mine && row.Fence < 0 {",
		}, member, "TestLowerFenceNeverRuns"},
		{"a fence is forgotten with its hold", "api/member/settle.go", []string{
			"row.Draining || row.Fence <= c.floor[ref] {", "row.Draining {",
		}, member, "TestCore|TestTranscripts"},
		{"a late answer needs another assignment", "api/member/settle.go", []string{
			"	case !h.running && now < c.lease:\n		return c.start(row)", "	case !h.running && now < c.lease && now < 0:\n		return c.start(row)",
		}, sim, "TestSilenceOfServers"},
		{"the answer to another session extends the lease", step, []string{
			"	if x.Session != c.session || c.session == 0 {", "	if c.session == 0 {",
		}, member, "TestCore|TestTranscripts"},
	}
}
