package mutants

// ofLater are schedules and the quarantine of shards.
func ofLater() []mutant {
	const (
		schedule, decide = "commands/schedule", "commands/schedule/decide.go"
		shard, rule      = "commands/shard", "commands/shard/quarantine.go"
		simPkg           = "tests/sim"
	)
	return []mutant{
		{"a schedule fires before its time", decide, []string{
			"	case meta.Time < one.Next*int64(time.Millisecond):", "	case meta.Time < 0:",
		}, schedule, "TestFireOnce"},
		{"a due fires twice", decide, []string{
			"	case c.Due != one.Due || c.Attempt != one.Attempt:", "	case c.Attempt == 1<<31:",
		}, schedule, "TestRetry|TestFireOnce"},
		{"a paused schedule fires", decide, []string{
			"	case one.Paused:\n		return Firing{}", "	case one.Paused && c.Attempt == 1<<31:\n		return Firing{}",
		}, schedule, "TestPause"},
		{"a retry goes beyond the next due", decide, []string{
			"(e.NextMs == 0 || again < e.NextMs)", "(e.NextMs == 0 || again > 0)",
		}, schedule, "TestRetry"},
		{"retries have no end", decide, []string{
			"s.Attempt < s.Retry.Attempts &&", "s.Attempt > 0 &&",
		}, schedule, "TestRetry"},
		{"a missed due is made up for though it should be skipped", decide, []string{
			"Skip: one.Skip && one.Attempt == 1 && late", "Skip: one.Skip && late && meta.Time < 0",
		}, schedule, "TestMissed"},
		{"every missed due is made up for", "commands/schedule/timing.go", []string{
			"if at := calendar.Next(now); !at.IsZero() {", "if at := calendar.Next(time.UnixMilli(due).UTC()); !at.IsZero() {",
		}, schedule, "TestMissed"},
		{"a schedule acts for the server", decide, []string{
			"r.Actor, r.Reason, r.ChangeTicket, r.CausationID = one.Creator, one.Reason, one.Ticket, \"schedule/\"+c.Name", "r.Reason = one.Reason",
		}, simPkg, "TestScheduleOverFailover"},
		{"the scheduler does not run on the successor", "ops/scheduler/step.go", []string{
			"		case len(cmds) < maxFired:", "		case len(cmds) < maxFired && v.Mark.Era == 9:",
		}, simPkg, "TestScheduleOverFailover"},
		{"a death after the window counts", rule, []string{
			"now-sh.AssignedAt <= int64(q.Window)", "now-sh.AssignedAt <= 1<<62",
		}, shard, "TestSurvivorClearsTheCount"},
		{"a survivor that releases clears nothing", "commands/shard/evolve.go", []string{
			"			sh.let(now, s.quarantine)\n			sh.unown()", "			sh.unown()",
		}, shard, "TestSurvivorClearsTheCount"},
		{"who is handed a shard has had it as long as who gave it", "commands/shard/evolve_handoff.go", []string{
			"			sh.let(r.Time, s.quarantine)\n", "",
		}, shard, "TestHandoverBeginsATenure"},
		{"an owner that was dead before counts", rule, []string{
			"&& now-sh.AssignedAt < int64(q.TTL)/2", "&& now < 0",
		}, shard, "TestSilentBefore"},
		{"a leave is a death", rule, []string{
			"	return cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED ||\n", "	return cause != 0 ||\n",
		}, shard, "TestLeavingIsNoDeath"},
		{"any number of shards is quarantined at once", rule, []string{
			"	if total > int(s.quarantine.MaxAtOnce) {", "	if total > 1<<30 {", "		return total <= int(s.quarantine.MaxAtOnce)", "		return true",
		}, shard, "TestTooManyAtOnce"},
		{"a quarantined shard is assigned", "commands/shard/decide_owner.go", []string{
			"			case sh.Quarantined():\n				return quarantinedError(ns, id, sh)\n			}\n			return nil\n		}); err", "			}\n			return nil\n		}); err",
		}, shard, "TestQuarantine$"},
		{"the placer wants a quarantined shard placed", "ops/placer/step.go", []string{
			"	case sh.Quarantined(): // nobody's, and on nobody's account\n		return placement.NoOwner, true\n", "",
			"case to == placement.NoOwner || sh.Paused || sh.Quarantined():", "case to == placement.NoOwner || sh.Paused:",
		}, simPkg, "TestPoisonShard"},
		{"the quarantine stands behind the opening of a session", "commands/model/actions.go", []string{
			"		out := append(evs[:i+1:i+1], more...)\n		return append(out, evs[i+1:]...) // a decision closes one session", "		_ = i\n		return append(evs[:len(evs):len(evs)], more...)",
		}, shard, "TestQuarantineOfRestarts"},
	}
}
