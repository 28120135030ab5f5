package mutants

// ofRestores keep what is older than a restore from being owned twice.
func ofRestores() []mutant {
	const (
		sessions, step, era = "ops/sessions", "ops/sessions/step.go", "ops/sessions/era.go"
		model, nodes, sim   = "commands/model", "commands/model/nodes.go", "tests/sim"
	)
	return []mutant{
		{"a session is opened while the era settles", "commands/control/decide.go", []string{
			"	case s.Settling && name == openName:", "	case s.Settling && name == \"\":",
		}, sim, "TestRestoreOfOlderBackup"},
		{"sessions of before a restore count", nodes, []string{
			"nodes{m.Membership, m.Control.StartedAt, m.Policy}", "nodes{m.Membership, 0, m.Policy}",
		}, sim, "TestRestoreOfOlderBackup"},
		{"a session of before a restore leads", nodes, []string{
			"	return session >= n.since && ", "	return ",
		}, model, "TestSessionsOfBeforeARestore"},
		{"a session of before a restore is given shards", nodes, []string{
			"	if node.Session < n.since {", "	if node.Session == 1<<60 {",
		}, model, "TestSessionsOfBeforeARestore"},
		{"a session of before a restore is answered", step, []string{
			"	if hb.Session < m.Control.StartedAt {", "	if hb.Session == 1<<60 {",
		}, sessions, "TestSessionsOfBeforeRunOut"},
		{"the brake waits for sessions of before a restore", step, []string{
			"len(due) > 0 && !l.era.settling && l.brakes(now) {", "len(due) > 0 && l.brakes(now) {",
		}, sessions, "TestSessionsOfBeforeRunOut"},
		{"an era settles at once", era, []string{
			"now + int64(longest+Grace)", "now + int64(0*longest+0*Grace)",
		}, sim, "TestRestoreOfOlderBackup"},
		{"an era settles when the known sessions are gone", era, []string{
			"max(c.Settle, m.Policy.SessionTTL(), ", "max(",
		}, sessions, "TestSessionsOfBeforeRunOut|TestSettlingStartsAnew"},
		{"an era settles sooner than the longest lease", era, []string{
			"max(c.Settle, m.Policy.SessionTTL(), ", "max(m.Policy.SessionTTL(), ",
		}, sessions, "TestSessionsOfBeforeRunOut"},
		{"the wait for settling goes on over a lapse of authority", era, []string{
			"	if c.Settling && (anew || ", "	if c.Settling && (",
		}, sessions, "TestSettlingStartsAnew"},
	}
}

// ofSeals are what a seal stops.
func ofSeals() []mutant {
	const sessions, keeper = "ops/sessions", "ops/sessions/keeper.go"
	return []mutant{
		{"a sealed log takes commands", "commands/control/decide.go", []string{
			"	case s.Sealed != 0 && name != unsealName", "	case s.Sealed == 1<<60 && name != unsealName",
		}, "commands/control", "TestSeal"},
		{"a seal outlives its era", "commands/control/state.go", []string{
			"			Cluster: e.EraStarted.ClusterId,", "			Sealed: s.Sealed, Cluster: e.EraStarted.ClusterId,",
		}, "commands/control", "TestRestoredEra"},
		{"sessions expire on a sealed log", keeper, []string{
			"	if !ok || view.Model.Control.Sealed != 0 {", "	if !ok {",
		}, sessions, "TestNothingExpiresOnASealedLog"},
		{"timers go on over a seal", "ops/sessions/step.go", []string{
			" || m.Control.Resumed != l.resumed\n", "\n",
		}, sessions, "TestNothingExpiresOnASealedLog"},
		{"who leads a sealed log later answers", keeper, []string{
			"	if !ok || !answers(view.Model, k.leader.Status().Term) {", "	if !ok {",
		}, sessions, "TestWhoAnswersOnASealedLog"},
		{"controllers step on a sealed log", "ops/loop/run.go", []string{
			"	if view.Model.Control.Sealed != 0 {", "	if view.Model.Control.Sealed == 1<<60 {",
		}, "ops/loop", "TestNoStepOnASealedLog"},
	}
}

// ofArchives are what an archive, a restore and a copy check.
func ofArchives() []mutant {
	const pkg, reader = "store/archive", "store/archive/reader.go"
	return []mutant{
		{"a frame's checksum is not looked at", reader, []string{
			"	if checksum([]byte{kindFrame}, length, data) != sum {", "	if checksum([]byte{kindFrame}, length, data) == sum+1 {",
		}, pkg, "TestEveryBitCounts|TestFaultNamesThePlace"},
		{"an archive may end before its head", reader, []string{
			"	if !bytes.Equal(trailer, encodeTrailer(a.mark)) {", "	if len(trailer) == 0 {",
		}, pkg, "TestFaults"},
		{"the sum of the file is not looked at", reader, []string{
			"	if !bytes.Equal(sum, want) {", "	if len(sum) == 0 {",
		}, pkg, "TestEveryBitCounts"},
		{"what nobody saw is taken for free", "store/archive/era.go", []string{
			"(uint64(known)+Unseen)/Stride", "uint64(known)/Stride",
		}, pkg, "TestNextEra"},
		{"leases after the cut are forgotten", "store/archive/restore.go", []string{
			"		t.leases.see(frame)\n", "		if t.at.Position != t.until {\n			t.leases.see(frame)\n		}\n",
		}, pkg, "TestRestoreTo"},
		{"a copy believes what the target has", "store/archive/copy.go", []string{
			"	if !bytes.Equal(there.Data, m.Data) {", "	if bytes.Equal(there.Data, nil) {",
		}, pkg, "TestCopyRefuses"},
		{"a refused publish ends a copy", "store/archive/append.go", []string{
			"		case final(err) || ctx.Err() != nil || try == attempts:", "		case err != nil:",
		}, pkg, "TestCopyByAnyFault"},
	}
}
