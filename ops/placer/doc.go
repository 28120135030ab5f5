// Package placer puts unowned shards on nodes and keeps each namespace
// balanced, by the namespace's strategy.
//
//  1. Step is a function of the write model and the time: a change of leader
//     with unchanged inputs asks for nothing (L7).
//  2. Only nodes with the namespace's role, a live session and no cordon get
//     shards (S3). What a cordoned node owns stays there and leaves the count.
//  3. Held, paused and moving shards stay where they are (S9, S10), and so do those
//     whose owner is silent, which count as on it where it is back. A quarantined one
//     stays unowned. An unowned shard counts as still on its last owner while that
//     node is eligible, and on the target of its move.
//  4. Unowned shards come first; balance is asked for in the same step.
//  5. Shards of a node that is being drained count as unowned and move away, held
//     ones too, at most [DrainPerNode] of a node and [DrainTotal] in all at once.
//
// It steps at most every [Interval]; between two changes of a namespace, of the
// eligible nodes, and of what is held, it does nothing. It owns no goroutine.
package placer
