// Package drainer carries drains to their end. The placer moves the shards of a
// draining node; this controller resigns what it leads, notes when it is drained,
// takes moves back when a drain was cancelled, and notes at the deadline what
// blocks it.
//
//  1. A node is noted as drained only when the log says that it owns, reads and leads
//     nothing and its session, heard by this leader, says that it holds nothing; or
//     when it has no session and owns and leads nothing (A7). The decider checks
//     what is on the log again.
//  2. What a drain is about is on the log: a new leader goes on without a new fact
//     (L7), once it has heard the node.
//  3. At most [ResignPerNode] leaderships of a node are resigned in one step, each
//     step after the receipts of the one before.
//  4. A deadline ends nothing: the drain goes on until it is done or cancelled.
//  5. [Look] says what is left of a drain and names what will not go away by
//     waiting.
//
// It owns no goroutine.
package drainer
