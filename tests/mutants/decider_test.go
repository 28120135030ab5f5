package mutants

// ofDeciders are the rules that refuse.
func ofDeciders() []mutant {
	const (
		shard, owner  = "commands/shard", "commands/shard/decide_owner.go"
		leadership    = "commands/leadership"
		membership    = "commands/membership"
		model, simPkg = "commands/model", "tests/sim"
	)
	return []mutant{
		{"an owned shard is assigned", owner, []string{
			"			case sh.Owner != \"\":\n				return refuseShard(ns, id, \"shard_owned\", \"is owned by", "			case sh.Owner == \"?\":\n				return refuseShard(ns, id, \"shard_owned\", \"is owned by",
		}, shard, "TestAssignRefused"},
		{"a shard is assigned to a session that is gone", owner, []string{
			"	if b.nodes.Session(node) != session || session == 0 {", "	if session == 1<<60 {",
		}, shard, "TestAssignRefused"},
		{"a paused shard is assigned", owner, []string{
			"			case sh.Paused:\n				return refuseShard(ns, id, \"shard_paused\", \"is paused\")\n			case sh.Quarantined():\n				return quarantinedError(ns, id, sh)\n			}\n			return nil\n		}); err",
			"			case sh.Quarantined():\n				return quarantinedError(ns, id, sh)\n			}\n			return nil\n		}); err",
		}, shard, "TestPauseResume|TestAssignRefused"},
		{"a release needs no current fence", owner, []string{
			" && sh.Fence == rel.Fence && rel.Fence != 0 {", " {",
		}, shard, "TestRelease$"},
		{"a release of an earlier assignment counts", owner, []string{
			" && sh.Fence == rel.Fence && rel.Fence != 0 {", " {",
		}, simPkg, "TestStaleReport"},
		{"a release of another session counts", owner, []string{
			"sh.Owner == c.NodeID && sh.Session == c.Session && sh.Fence", "sh.Owner == c.NodeID && sh.Fence",
		}, shard, "TestRelease$"},
		{"a move is done before the release", owner, []string{
			"		if owner == \"\" {\n			unowned", "		if owner != \"?\" {\n			unowned",
		}, shard, "TestMove$"},
		{"a move fails before its deadline", owner, []string{
			"		if meta.Time < sh.MoveDeadline {", "		if meta.Time < 0 {",
		}, shard, "TestFailMoves"},
		{"a held shard is moved for balance", owner, []string{
			"			case sh.HeldUntil > meta.Time && !c.Drain:", "			case sh.HeldUntil > 1<<62:",
		}, shard, "TestRebalanceRefused|TestFailMoves"},
		{"a release is asked for by who is not the target", "commands/shard/decide_handoff.go", []string{
			" && sh.MoveTo == c.NodeID && sh.Fence == p.Fence", " && sh.Fence == p.Fence",
		}, shard, "TestAskReleaseNeedsTheTarget"},
		{"a preparation of an earlier assignment counts", "commands/shard/decide_handoff.go", []string{
			" && sh.Fence == p.Fence && p.Fence != 0 {", " {",
		}, shard, "TestAskReleaseNeedsTheTarget"},
		{"a preparation of an earlier session counts", "commands/shard/decide_handoff.go", []string{
			"	if c.Session == 0 || nodes.Session(c.NodeID) != c.Session {", "	if c.Session == 0 {",
		}, shard, "TestTargetRestarts|TestAskReleaseNeedsTheTarget"},
		{"a shard is handed over to a target that has not prepared", "commands/shard/decide_handoff.go", []string{
			"		if sh.Releasing() && b.assignable", "		if sh.Moving() && b.assignable",
		}, shard, "TestReleaseBeforePrepared"},
		{"a move begins with the release", owner, []string{
			"HoldMs: uint32(hold / time.Millisecond), Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE}", "HoldMs: uint32(hold / time.Millisecond)}",
		}, shard, "TestHandoff$"},
		{"a session that closes releases nothing", "commands/shard/evolve.go", []string{
			"	if owns && sh.Session == session {", "	if owns && sh.Session == 1<<60 {",
		}, shard, "TestSessionClosed"},
		{"a session that closes goes on reading", "commands/shard/evolve.go", []string{
			"	if reads && ns.Shard(id).Readers.Session(node) == session {", "	if reads && ns.Shard(id).Readers.Session(node) == 1<<60 {",
		}, shard, "TestPlaceReaders"},
		{"an owner is its own reader", "commands/shard/readers.go", []string{
			"		case sh.Owner == t.NodeID:", "		case sh.Owner == t.NodeID && t.Session == 0:",
		}, shard, "TestPlaceReaders"},
		{"an owner goes on as a reader", "commands/shard/evolve.go", []string{
			"	sh.Readers = sh.Readers.Without(node)\n	if sh.Ass", "	if sh.Ass",
		}, shard, "TestPlaceReaders"},
		{"a shard out of service goes on being read", "commands/shard/evolve.go", []string{
			"sh.QuarantinedAt, sh.Readers = r.Time, \"\"", "sh.QuarantinedAt = r.Time",
		}, shard, "TestQuarantineOfReaders"},
		{"a shard out of service is given readers", "commands/shard/readers.go", []string{
			"		case sh.Quarantined():", "		case sh.Quarantined() && t.Session == 0:",
		}, shard, "TestQuarantineOfReaders"},
		{"rules are not kept", "commands/placement/problem.go", []string{
			"return p.pins[class]&^p.groups[group].pins == 0", "return p.pins[class]&^p.groups[group].pins < 1<<63",
		}, "commands/placement", "TestRulesAgainstBruteForce|TestUnplaceable"},
		{"a cordoned node is given shards", "commands/model/nodes.go", []string{
			"	case n.Closed(id) != nil:", "	case n.Closed(id) != nil && id == \"\":",
		}, shard, "TestAssignRefused"},
		{"a node without a session is given shards", "commands/model/nodes.go", []string{
			"	case node.Left || n.Session(id) == 0:", "	case node.Left:",
		}, shard, "TestMoveRefused"},
		{"a grant does not end the one before", leadership + "/decide.go", []string{
			"ok && sc.Holder != \"\" {\n		evs", "ok && sc.Holder == \"?\" {\n		evs",
		}, leadership, "TestGrantControl"},
		{"a scope that is held is granted", leadership + "/decide.go", []string{
			"		if !ok || sc.Holder != \"\" {", "		if !ok {",
		}, leadership, "TestElect"},
		{"leadership outlives its session", leadership + "/state.go", []string{
			"			if sc.Session == session {\n				sc.vacate()\n			}\n", "",
		}, leadership, "TestSessionEnds"},
		{"the close of an older session is accepted", membership + "/decide.go", []string{
			"	if session == 0 || n.Session != session {", "	if session == 0 {",
		}, membership, "TestCloseSession"},
		{"the close of an older session ends the present one", membership + "/state.go", []string{
			"			if n.Session == events.Position(e.SessionClosed.Session) {", "			if e.SessionClosed.Session != 0 {",
		}, membership, "TestSecondClose"},
		{"a second process replaces the first without its secret", membership + "/decide.go", []string{
			"	case old.Session != 0 && !ours:", "	case old.Session == 1<<60 && !ours:",
		}, membership, "TestOpenSessionNeedsTheSecret"},
		{"an old key is executed", model + "/keys.go", []string{
			"	case at < m.Time-int64(KeyWindow):", "	case at < 0:",
		}, model, "TestKeyWindow"},
		{"a key of the future is executed", model + "/keys.go", []string{
			"	case at > max(m.Time, now)+int64(KeyAhead):", "	case at < 0:",
		}, model, "TestKeyWindow"},
		{"a key is forgotten while it is owed", model + "/keys.go", []string{
			"max(key.Time(), e.Time)+int64(KeyWindow)", "key.Time()+int64(KeyWindow)",
		}, model, "TestKeyOwed"},
		{"a key with another body is replayed", model + "/keys.go", []string{
			"		if e.Hash != r.Hash {", "		if e.Last == 0 {",
		}, model, "TestKeyOneEffect"},
		{"a frozen model evolves", model + "/model.go", []string{"	if m.frozen {\n		panic", "	if m.frozen && m == nil {\n		panic"}, model, "TestFrozen"},
	}
}

// ofControllers are the placer and the loop.
func ofControllers() []mutant {
	const placer, loop, sim = "ops/placer/step.go", "ops/loop", "tests/sim"
	return []mutant{
		{"the last owner is forgotten", "commands/shard/state.go", []string{
			"		return sh.MoveTo, sh.LastOwner", "		return sh.MoveTo, \"\"",
		}, sim, "TestQuickRestartKeepsItsShards"},
		{"the target of a dead owner's move is forgotten", "commands/shard/state.go", []string{
			"		return sh.MoveTo, sh.LastOwner", "		return \"\", sh.LastOwner",
		}, sim, "TestOwnerDiesWhileMoving"},
		{"a held shard is balanced away", placer, []string{
			"	return where, sh.HeldUntil > logTime || where == placement.NoOwner", "	return where, where == placement.NoOwner",
		}, "ops/placer", "TestHeldShardLeavesTheCount"},
		{"others make room for a shard that is going to be held", placer, []string{
			"	case goes:\n		return where, sh.MoveHold > 0", "	case goes:\n		return where, false",
		}, "ops/placer", "TestMoveByHandMovesNothingElse"},
		{"a controller steps on a view before its receipts", loop + "/run.go", []string{
			"view.Mark.Position < l.passed {", "view.Mark.Position < 0 {",
		}, loop, "TestWaitsForItsReceipts"},
		{"a controller steps without authority", loop + "/run.go", []string{
			"	if !r.seq.HasAuthority() {", "	if r == nil {",
		}, loop, "TestNoStepWithoutAuthority"},
		{"a move to a dead node waits for its deadline", "ops/handoff/step.go", []string{
			"		case v.Model.Assignable(sh.MoveTo, ns.Spec.EligibleRole) != nil:\n			lost = append(lost, id)\n", "",
		}, sim, "TestTargetDies"},
		{"what was prepared is not asked for", "ops/handoff/step.go", []string{
			"append(h.releases(v, heard), h.preparations(v, heard)...)", "h.releases(v, heard)",
		}, sim, "TestMove$"},
		{"the preparation of a target that is lost keeps its move", "ops/handoff/step.go", []string{
			" && v.Model.Assignable(n.NodeID, ns.Spec.EligibleRole) == nil\n", "\n",
		}, sim, "TestReportOfALostTarget"},
		{"a move never fails", "ops/handoff/step.go", []string{
			"		case logTime >= sh.MoveDeadline:", "		case logTime >= 1<<62:",
		}, sim, "TestOwnerNotReleasing"},
	}
}
