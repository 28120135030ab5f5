// Package sim runs the whole protocol in one goroutine, from a seed: one, three or
// five servers with their sequencer cores, elections, forwarded commands and
// relayed heartbeats; the session leases and controllers of whoever leads; members
// with clocks of their own; and clients that repeat what was not answered. After
// every step it checks the invariants that can be seen; at the end, when
// everything is healed, those of a mesh at rest.
//
// What goes wrong: processes are killed, paused, asked to stop, and started again,
// also at once; messages are lost, late, out of order, cut short; the network is
// cut between servers and to members, one way or both; the log and the register
// are led by another server than before, and who led them does not know it yet;
// publishes have no acknowledgement, and are stored at once, later or never;
// servers campaign without reason, so that no guarantee rests on the election.
//
// What is real: sequencer.Core, election.Step and Roster with beats in their wire
// form, the wire forms and outcomes of forwarded commands, sessions.Keeper and
// Relay.Serve, all controllers, member.Core. What is modelled: the shells around
// them, and where the replicas of log and register are led (stream.go); what is
// stored is one memlog, which is the log as a majority sees it.
//
// Namespaces of every ownership mode are owned side by side. Of leases the traces of
// the members show that nobody else may act (S1), of fenced ownerships a resource that
// checks fences admits one writer, and sticky ones change hands by no silence.
//
// The checker reads only the stored log, the traces of the members, and what it
// saw itself of messages that arrived, never the state that the protocol keeps of
// itself. Of control leadership it checks beside the invariants: a server answers
// heartbeats only within authority that a write of the register proved; campaigns
// only with a majority that it heard to miss the leader, and as far as any of
// them; takes the register from nobody who is known to have won; a session that
// any leader heard does not expire before its time; one server leads, and all
// know it, some seconds after all is well; and a command of which no attempt may
// have been done is not on the log.
//
// A failure prints its seed; OMNIRELAY_SIM_SEED runs one seed, with its trace,
// OMNIRELAY_SIM_SEEDS sets how many are run (0: until interrupted), and
// OMNIRELAY_SIM_FROM the first.
package sim
