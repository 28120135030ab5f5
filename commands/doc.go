// Package commands is the whole idea of the write side: a command is a wish,
// a decider turns it into events or refuses it, and nothing else changes the
// mesh.
//
// Each context (membership, leadership, shard, policy, control) is a package
// below this one with a State, a Decide and an Evolve:
//
//	Decide(meta, command) → events | *Rejected    reads state, changes nothing
//	Evolve(recorded)                              total: a fact cannot be refused
//
// They promise:
//
//  1. Both are pure: time comes in Meta, there is no randomness, and the same
//     inputs give the same events on every machine (T8).
//  2. A decision sees the exact state at the position before it.
//  3. A State is a value: Clone is cheap (shared until written), so that the
//     sequencer decides on an overlay and drops it whole when its frame is
//     refused.
//  4. Contexts never import each other; what one must ask another it declares
//     as an interface of its own, and commands/model fits them together.
package commands
