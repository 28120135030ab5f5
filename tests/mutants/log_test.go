package mutants

// ofLog are the chain and what guards it at start.
func ofLog() []mutant {
	const frame, natslog, jsfile = "events/frame.go", "store/natslog", "store/natslog/jsfile"
	return []mutant{
		{"the hash chain is not verified", frame, []string{
			"string(f.PrevHash) != string(h.Hash[:]):", "len(f.PrevHash) > 1<<30:",
		}, "events", "TestChainBreaks|TestFrameLostOrMoved"},
		{"a frame of another log is accepted", frame, []string{
			"	case h.Position != 0 && id != h.LogID:", "	case h.Position != 0 && id != h.LogID && false:",
		}, "events", "TestChainBreaks"},
		{"a hole in the positions is accepted", frame, []string{
			"		if f.First != uint64(h.Position)+1 {", "		if f.First <= uint64(h.Position) {",
		}, "events", "TestChainBreaks"},
		{"log time may run backwards", frame, []string{"	case f.Time < h.Time:", "	case f.Time < h.Time && false:"}, "events", "TestChainBreaks"},
		{"a gap between messages is accepted", "store/store.go", []string{
			"	if msg.Sequence != m.Sequence+1 {", "	if msg.Sequence <= m.Sequence {",
		}, sequencer, "TestFollowRefusesGap"},
		{"the anchor is not looked at", natslog + "/open.go", []string{
			"	floor := max(mark.Sequence, s.cfg.Known.Sequence)", "	floor := s.cfg.Known.Sequence",
		}, natslog, "TestDamageStopsOpen"},
		{"what the projections know is not looked at", natslog + "/open.go", []string{
			"	floor := max(mark.Sequence, s.cfg.Known.Sequence)", "	floor := mark.Sequence",
		}, natslog, "TestKnownEnd"},
		{"damage before whole messages counts as torn", jsfile + "/walk.go", []string{
			" && !d.laterRecord(buf[offset:], w.next) {", " {",
		}, jsfile, "TestInspect"},
		{"what was known to be stored counts as torn", jsfile + "/walk.go", []string{" && w.next > w.floor && ", " && "}, jsfile, "TestInspect"},
		{"a file that is shorter than a clean stop left it is accepted", jsfile + "/inspect.go", []string{
			"size < was.Size {", "size < 0 {",
		}, jsfile, "TestStopDoesNotVouch"},
		{"a block that was skipped at the start is read by the server unseen", jsfile + "/inspect.go", []string{
			"Inspection{Last: w.next - 1, Skipped: skipped, read: read}", "Inspection{Last: w.next - 1, read: read}",
		}, jsfile, "TestStopVouches"},
		{"raft's log is not read", jsfile + "/raft.go", []string{
			"		if err := r.checkLog(g.Name()); err != nil {", "		if err := r.checkLog(g.Name()); err != nil && false {",
		}, jsfile, "TestCheck"},
	}
}
