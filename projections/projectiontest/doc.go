// Package projectiontest tests tables over random plausible logs: what was
// applied step by step, what was rebuilt in one run, and what was redone after
// a crash must be the same bytes, and a read as of n what was served at n.
//
//  1. [Sim] writes logs whose events could have been decided: owners have
//     sessions, moves have owners, names are free before they are taken.
//  2. [Check] holds a set of tables to the three equalities (T2, T3, T4).
//
// It is for tests; it starts no goroutine that outlives a call.
package projectiontest
