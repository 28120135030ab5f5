package mutants

// ofDrains are drains and maintenance windows.
func ofDrains() []mutant {
	const (
		membership, lifecycle = "commands/membership", "commands/membership/lifecycle.go"
		placer, drainer, sim  = "ops/placer", "ops/drainer", "tests/sim"
	)
	return []mutant{
		{"a node is drained while it owns", lifecycle, []string{"owns > 0 || reads > 0", "reads > 0"}, membership, "TestDrainedIsA7"},
		{"a node is drained while it leads", lifecycle, []string{"reads > 0 || leads > 0 {", "reads > 0 {"}, membership, "TestDrainedIsA7"},
		{"a node is drained while it reads", lifecycle, []string{"owns > 0 || reads > 0", "owns > 0"}, drainer, "TestReadings"},
		{"a drain is done while its node reads", drainer + "/progress.go", []string{"p.Readings == 0 && ", ""}, drainer, "TestReadings"},
		{"a node is drained by the word of another session", lifecycle, []string{
			"	if n.Session != c.Session {", "	if n.Session == 1<<60 {",
		}, membership, "TestDrainedIsA7"},
		{"a drain stalls before its deadline", lifecycle, []string{"	case meta.Time < n.DrainDeadline:", "	case meta.Time < 0:"}, membership, "TestStallDrain"},
		{"a draining node is given shards", "commands/model/closed.go", []string{"	case membership.Draining:", "	case 99:"}, "commands/shard", "TestDrainMoves"},
		{"a drain moves shards of a node that is not drained", "commands/shard/decide_owner.go", []string{
			"		if c.Drain && !nodes.Draining(m.From) {", "		if c.Drain && nodes == nil {",
		}, "commands/shard", "TestDrainMoves"},
		{"a window closes what an operator opened", membership + "/maintenance.go", []string{" || w.Since <= n.Waived {", " {"}, membership, "TestMaintain"},
		{"an operator's cordon is lost with a window", lifecycle, []string{"		n.Held = true", "		n.Held = false"}, membership, "TestMaintain"},
		{"a node is drained that was not heard", drainer + "/progress.go", []string{
			"p.session == 0 || p.Heard && p.InFlight == 0", "p.session == 0 || p.InFlight == 0",
		}, drainer, "TestFinish"},
		{"a node is drained that holds something", drainer + "/progress.go", []string{
			"p.session == 0 || p.Heard && p.InFlight == 0", "p.session == 0 || p.Heard",
		}, drainer, "TestFinish"},
		{"what a node said to an earlier term counts", "ops/sessions/step.go", []string{
			"x.expiring, x.unsure, x.heard = false, false, false", "x.expiring, x.unsure = false, false",
		}, "ops/sessions", "TestNewTermHasHeardNothing"},
		{"moves of a cancelled drain go on", drainer + "/step.go", []string{
			"n.Lifecycle != membership.Draining {\n					ids", "n.Lifecycle > 99 {\n					ids",
		}, sim, "TestDrainCancelled"},
		{"others move in the place of a cancelled drain", placer + "/step.go", []string{
			"		case moved(sh) && at(sh.Owner) != placement.NoOwner:", "		case moved(sh) && at(sh.Owner) == 1<<30:",
		}, placer, "TestCancelMovesNothingElse"},
		{"a paused shard that nobody owns takes its reader's room", placer + "/step.go", []string{" && sh.Readers != \"\" && !fixed {", " && sh.Readers != \"\" {"}, placer, "TestPausedTakesNoRoom"},
		{"a drain does not see who has room", drainer + "/destinations.go", []string{"		target, home := sh.Places()", "		target, home := \"\", sh.Owner"}, drainer, "TestPinned"},
		{"a drain has no bound", placer + "/drain.go", []string{"!ok || l.room[i] <= 0 || l.total <= 0 {", "!ok || l.total <= 0 {"}, placer, "TestDrainIsBounded"},
		{"drains together have no bound", placer + "/drain.go", []string{"!ok || l.room[i] <= 0 || l.total <= 0 {", "!ok || l.room[i] <= 0 {"}, placer, "TestDrainsAreBoundedTogether"},
		{"a drain asks again and again who does not release", placer + "/drain.go", []string{
			"	return !sh.Rests(", "	return true || !sh.Rests(",
		}, sim, "TestDrainBlockedByItsOwner"},
	}
}
