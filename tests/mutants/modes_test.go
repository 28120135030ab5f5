package mutants

// ofModes are the ownership modes: what outlives a session, and what ends it.
func ofModes() []mutant {
	const (
		rules, decide   = "commands/shard/ownership.go", "commands/shard/decide_ownership.go"
		directory       = "commands/membership/directory.go"
		standing, step  = "ops/sessions/standing.go", "ops/sessions/step.go"
		outlive, ride   = "api/member/outlive.go", "api/member/ride.go"
		shard, sessions = "commands/shard", "ops/sessions"
		member, simPkg  = "api/member", "tests/sim"
		memberStep      = "api/member/step.go"
		membership      = "commands/membership"
	)
	return []mutant{
		{"an ownership that may be ridden through ends with its session", rules, []string{
			"	return !ns.rides()\n", "	return true\n",
		}, simPkg, "TestRideThrough"},
		{"silence ends a sticky ownership with its session", rules, []string{
			"	case sticky:\n		return sh.Forced()\n", "	case sticky:\n		return true\n",
		}, simPkg, "TestCutOffForGood"},
		{"a forced close releases what may be ridden through", rules, []string{
			"	return !ns.rides()\n", "	return !ns.rides() || sh.Forced()\n",
		}, shard, "TestSessionEndsOwnerships"},
		{"a forced close releases what nobody asked for", rules, []string{
			"	case sticky:\n		return sh.Forced()\n", "	case sticky:\n		return cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED\n",
		}, shard, "TestSessionEndsOwnerships"},
		{"a leave leaves what is sticky", rules, []string{
			"_LEFT: // after its releases\n		return true", "_LEFT: // after its releases\n		return ns.Spec.Ownership != sticky",
		}, shard, "TestSessionEndsOwnerships"},
		{"time ends a sticky ownership", decide, []string{
			"		if !ns.SilenceEnds() && !departed {", "		if !ns.SilenceEnds() && !departed && name == \"\" {",
		}, shard, "TestStickyOutlastsSilence"},
		{"the ownership of a live session expires", decide, []string{
			"	if nodes.Open(c.NodeID, c.Session) {", "	if c.NodeID == \"\" {",
		}, shard, "TestOwnershipExpired"},
		{"a silent owner by lease is passed over", decide, []string{
			"		case !ns.rides():\n			z.free", "		default:\n			z.free",
		}, shard, "TestForcedMoveOfSilent"},
		{"a shard that is taken by force is bound again", decide, []string{
			"		case sh.Forced():\n			return refuseShard(ns, id, \"move_forced\", \"is taken", "		case id == 1<<31:\n			return refuseShard(ns, id, \"move_forced\", \"is taken",
		}, shard, "TestForcedMoveOfSilent"},
		{"a session of another disk inherits", directory, []string{
			"	return n.Directory != 0 && session >= n.Directory\n", "	return n.Directory != 0\n",
		}, simPkg, "TestNodeIDElsewhere"},
		{"a directory is known again after another one", "commands/membership/state.go", []string{
			"	if n.Directory == 0 || secret == (events.Hash{}) || !sameSecret(secret, n.SecretHash) {", "	if n.Directory == 0 {",
		}, membership, "TestHeir$"},
		{"a session that is going to be closed inherits", directory, []string{
			"n.Left || n.Closing != 0 ||", "n.Left ||",
		}, membership, "TestHeir$"},
		{"a session of before the restore inherits", "commands/model/nodes.go", []string{
			"heir >= n.since {", "heir != 0 {",
		}, membership, "TestHeirOfTheEra"},
		{"a session that is going to be closed is given shards", "commands/model/nodes.go", []string{
			"	case node.Closing != 0:\n", "	case node.Closing != 0 && role == \"\":\n",
		}, shard, "TestForcedMove$"},
		{"a session that is going to be closed wins scopes", "commands/model/nodes.go", []string{
			" && n.State.SessionIs(id, session) && !n.closing(id)", " && n.State.SessionIs(id, session)",
		}, membership, "TestSessionClosing"},
		{"a session that is going to be closed is answered", step, []string{
			"	if x.expiring || n.Closing != 0 {", "	if x.expiring {",
		}, sessions, "TestClosingSession"},
		{"a forced close waits for the brake", step, []string{
			"		case x.closing != 0 && x.deadline <= now:", "		case x.closing != 0 && now < 0:",
		}, sessions, "TestClosingSession"},
		{"an ownership goes on from the close of its session", standing, []string{
			"		return x.deadline - int64(x.ttl)\n", "		return x.deadline\n",
		}, sessions, "TestOwnershipOutlivesItsSession"},
		{"an ownership ends sooner than its owner counts", standing, []string{
			"		return x.deadline - int64(x.ttl)\n", "		return x.deadline - 3*int64(x.ttl)\n",
		}, simPkg, "TestCutOffForGood"},
		{"a new leader counts ownerships from before its time", standing, []string{
			"		if anew {\n			s.heard = now + int64(Grace)\n		}\n", "",
		}, sessions, "TestOwnershipOverLeaders|TestSealHoldsOwnerships"},
		{"a new leader ends what it knows nothing of", standing, []string{
			"	return now + int64(Grace)\n", "	return 0\n",
		}, simPkg, "TestCutOffForGood"},
		{"the brake holds no ownership", standing, []string{
			"!l.era.settling && l.brakes(now) {", "!l.era.settling && now < 0 {",
		}, sessions, "TestBrakeHoldsOwnerships"},
		{"an era settles while somebody rides through", "ops/sessions/era.go", []string{
			"time.Duration(m.Shard.LongestTTL()))", "0*time.Duration(m.Shard.LongestTTL()))",
		}, sessions, "TestSettlingOutlastsOwnerships"},
		{"a restore knows nothing of ownershipTTLs", "store/archive/era.go", []string{
			"		longest = max(longest, ttl)\n	}\n	for _, ttl := range l.open", "		longest = max(longest, 0*ttl)\n	}\n	for _, ttl := range l.open",
		}, "store/archive", "TestSettle"},
		{"an answer to the next session prolongs what the one before had", outlive, []string{
			"	if h.session != c.session {\n		return h.ends\n	}\n", "",
		}, member, "TestTranscripts/ride|TestCore"},
		{"what outlives a session ends with it", outlive, []string{
			"	if h == nil || !h.running || !h.outlives() {", "	if h == nil || h.running || !h.outlives() {",
		}, member, "TestTranscripts/ride"},
		{"a member takes its margin off no ownershipTTL", outlive, []string{
			"c.heard+ttl-margin(ttl))", "c.heard+ttl+margin(ttl))",
		}, simPkg, "TestCutOffForGood"},
		{"an owner by lease goes on for ever", outlive, []string{
			"h.mode == Fenced || h.mode == Sticky }", "h.mode != 0 }",
		}, simPkg, "TestCutOffForGood|TestSilenceOfServersByMode"},
		{"a rebound shard starts beside its old callback", "api/member/settle.go", []string{
			"	case h.running && mine && h.session < c.session:\n		return c.rebound(now, ref, h)\n", "	case h.running && mine && h.session < c.session:\n		return c.start(row)\n",
		}, member, "TestTranscripts/rebound"},
		{"a process starts what its node owned before", memberStep, []string{
			"	return r, ok && c.session != 0 && r.Owner == c.node && r.Session == c.session\n", "	return r, ok && c.session != 0 && r.Owner == c.node\n",
		}, member, "TestTranscripts/restarted|TestCore"},
		{"a ride that has ended is renewed", ride, []string{
			"	before := len(l.rides)\n	l.rides.expire(l.clock())\n", "	before := len(l.rides)\n",
		}, member, "TestRide$"},
		{"an owner does not know that it is stale", "api/member/own.go", []string{
			"	return !u.hard && o.grip.clock() >= u.at.Load()\n", "	return !u.hard && o.grip.clock() < 0\n",
		}, member, "TestRide$"},
		{"a node is not bound again", "ops/rebinder/step.go", []string{
			"heir != 0 && !ns.Deleting {", "heir == 1 && !ns.Deleting {",
		}, simPkg, "TestRideThrough"},
		{"what is taken by force goes where balance wants it", "ops/placer/step.go", []string{
			"		return where, goes && sh.MoveHold > 0", "		return where, false",
		}, simPkg, "TestForcedMoveByMode"},
		{"a silent owner is asked to release for balance", "ops/placer/step.go", []string{
			"		case sh.Silent: // its owner can release nothing before it is bound again\n", "",
		}, "ops/placer", "TestSilentStays"},
	}
}
