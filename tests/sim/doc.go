// Package sim runs the whole protocol in one goroutine, from a seed: sequencer
// cores on one log with faults, the session leases and controllers of whoever
// leads, members with clocks of their own, and clients that repeat what was not
// answered. After every step it checks the invariants that can be seen; at the
// end, when everything is healed, those of a mesh at rest.
//
// The checker reads only the stored log and the traces of the members, never
// the state that the protocol keeps of itself.
//
// A failure prints its seed; OMNIRELAY_SIM_SEED runs one seed, with its trace,
// and OMNIRELAY_SIM_SEEDS sets how many are run (0: until interrupted).
package sim
