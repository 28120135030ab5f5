package mutants

// ofCluster are elections, forwarded commands and relayed heartbeats.
func ofCluster() []mutant {
	const (
		election, step, roster = "ops/election", "ops/election/step.go", "ops/election/roster.go"
		relay, codec           = "ops/sessions/relay.go", sequencer + "/forward_codec.go"
		sim                    = "tests/sim"
	)
	return []mutant{
		{"a server that alone misses the leader campaigns", step, []string{
			"	return 2*n > v.Servers", "	return n > 0",
		}, sim, "TestIsolatedStandby"},
		{"half of the servers depose a leader", step, []string{
			"	return 2*n > v.Servers", "	return 2*n >= v.Servers-1",
		}, sim, "TestSimulation"},
		{"a majority that hears the leader deposes it", step, []string{
			"		if o.Misses {\n			n++\n		}", "		_ = o\n		n++",
		}, sim, "TestSimulation"},
		{"a server that is behind campaigns", step, []string{
			"	case s.MissedSince != 0 && v.caughtUp():", "	case s.MissedSince != 0:",
		}, sim, "TestSimulation"},
		{"an older release campaigns", step, []string{
			"	case !v.Eligible, v.Since", "	case v.Since",
		}, election, "TestStep"},
		{"all campaign when a leader retires", step, []string{
			"	case v.Retiring && v.Successor == v.Self:", "	case v.Retiring:",
		}, election, "TestStep"},
		{"nobody waits for the host of the log", step, []string{
			"	if time.Duration(v.Now-missedSince) < wait {", "	if time.Duration(v.Now-missedSince) < 0*wait {",
		}, election, "TestStep"},
		{"a candidate goes on though the leader is back", step, []string{
			"		a.Withdraw = !a.Misses &&", "		a.Withdraw = a.Misses &&",
		}, election, "TestStep"},
		{"old beats count", roster, []string{
			"	return !m.Leaving && time.Duration(now-m.Heard) <= FreshFor", "	return !m.Leaving",
		}, sim, "TestSimulation"},
		{"a former leader is taken for the leader", roster, []string{
			"	if term >= r.term {", "	if term > 0 {",
		}, election, "TestRosterHears"},
		{"a leader that was heard long ago is asked", roster, []string{
			"v.Heard != 0 && time.Duration(now-v.Heard) < MissAfter", "v.Heard != 0",
		}, election, "TestRosterHears"},
		{"a candidate takes the register from who won meanwhile", sequencer + "/core.go", []string{
			"	case c.role == candidate && after.Term != before.Term:", "	case c.role == candidate && after.Term != before.Term && c.fatal != nil:",
		}, sim, "TestSimulation"},
		{"a standby campaigns by itself", sequencer + "/loop.go", []string{
			"		if !l.opts.Standby && !l.core.Leading()", "		if (!l.opts.Standby || l.core.View().Mark.Position == 0) && !l.core.Leading()",
		}, sequencer, "TestStandby"},
		{"a standby does not follow", sequencer + "/loop.go", []string{
			"	if l.opts.Standby {\n		l.follow(ctx)", "	if l.opts.Standby && l.follows {\n		l.follow(ctx)",
		}, sequencer, "TestStandby"},
		{"a leader that lapsed keeps who asks", sequencer + "/sequencer.go", []string{
			"	return s.opts.Standby && st.Leading &&", "	return !s.opts.Standby && st.Leading &&",
		}, sequencer, "TestLapsedLeaderRefuses"},
		{"timers go on when another leads", "ops/sessions/step.go", []string{
			"	anew := granted || gained != l.gained", "	anew := l.term == 0 && granted",
		}, sim, "TestSimulation"},
		{"what was found under a former grant is done under a later one", sequencer + "/core.go", []string{
			"c.role != leader || term != 0 && term != c.auth.term {", "c.role != leader || term == 1<<60 {",
		}, sim, "TestLateCloseOfFormerLeader"},
		{"a controller does not say its term", "ops/loop/run.go", []string{
			"	if l.submitAll(ctx, control.Term, cmds) {", "	if l.submitAll(ctx, control.Term*0, cmds) {",
		}, "ops/loop", "TestStepNamesItsTerm"},
		{"no answer is no effect", codec, []string{
			"	if errors.Is(err, ErrUnreachable) {", "	if errors.Is(err, err) {",
		}, sim, "TestSimulation"},
		{"no answer is no effect, to the forwarder", codec, []string{
			"	if errors.Is(err, ErrUnreachable) {", "	if errors.Is(err, err) {",
		}, sequencer, "TestForward"},
		{"an outcome that the leader does not know is no effect", sequencer + "/wire_answer.go", []string{
			"	a := wireAnswer{Outcome: sentUnknown,", "	a := wireAnswer{Outcome: sentNotLeader,",
		}, sequencer, "TestWire|TestForward"},
		{"an outcome of a newer leader is no effect", sequencer + "/wire_answer.go", []string{
			"	sentinel := ErrOutcomeUnknown\n", "	sentinel := ErrNotLeader\n",
		}, sequencer, "TestWire|TestForward"},
		{"a relayed heartbeat is answered without authority", "ops/sessions/keeper.go", []string{
			"	if !st.Leading || now >= st.AuthorityUntil {", "	if !st.Leading {",
		}, sim, "TestIsolatedLeader|TestSimulation"},
		{"a heartbeat is relayed to whoever led last", relay, []string{
			"	if !known {\n		return Answer{}, ErrNoAuthority\n	}", "	_ = known",
		}, "ops/sessions", "TestRelayWithoutAnswer"},
		{"an answer of nothing extends a lease", relay, []string{
			"a.Cause == causeNone && a.TTL > 0:", "a.Cause == causeNone:",
		}, "ops/sessions", "TestRelayWithoutAnswer"},
		{"no authority is a rejection of the session", relay, []string{
			"		out.Cause, out.Detail = causeNoAuthority, err.Error()", "		out.Rejected = &commands.Rejected{}\n		out.Cause, out.Detail = causeRejected, err.Error()",
		}, "ops/sessions", "TestRelay"},
	}
}
