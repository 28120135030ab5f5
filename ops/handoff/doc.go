// Package handoff carries moves and deletions to their end: it asks for the
// release of what targets report as prepared, logs the releases that owners
// report, gives up moves of which a stage is not over by its deadline, takes back
// moves whose target is gone, and ends namespaces that nobody owns shards of any
// more.
//
//  1. A release is asked for only when the target's session reported that it is
//     prepared, and logged only as its owner's session reported it, each with the
//     fence that the log says is current (S7); the decider checks again.
//  2. Desired state is on the log, reports are in memory: a new leader starts
//     with none and hears them again.
//  3. A shard that was released without a move, or whose target is gone, goes
//     back to the node that released it, with a new fence, if that node may
//     have it; the placer places the others.
//
// It owns no goroutine.
package handoff
