// Package placer puts unowned shards on nodes and keeps each namespace
// balanced, by the namespace's strategy.
//
//  1. Step is a function of the write model and the time: a change of leader
//     with unchanged inputs asks for nothing (L7).
//  2. Only nodes with the namespace's role, a live session and no cordon get
//     shards (S3). What a cordoned node owns stays there and leaves the count.
//  3. Held, paused and moving shards stay where they are (S9, S10); those that an
//     operator moves leave the count when they set out. So do those stay whose owner
//     is silent, which count as on it where it is back. A quarantined one
//     stays unowned, and without readers. An unowned shard counts as still on its last
//     owner while that node is eligible, and on the target of its move.
//  4. Unowned shards come first; balance is asked for in the same step. A shard
//     that the namespace's rules forbid where it is moves with cause constraint; one
//     that they leave no node keeps its owner.
//  5. Shards of a node that is being drained count as unowned and move away, held
//     ones too, at most [DrainPerNode] of a node and [DrainTotal] in all at once.
//  6. Readers are placed when owners are: as many as the namespace gives each
//     shard, never on its owner's node. A shard whose owner died counts as on a
//     reader of it, if neither a move nor its last owner says where it should be.
//
// It steps at most every [Interval]; between two changes of a namespace, of the
// eligible nodes, and of what is held, it does nothing. It owns no goroutine.
package placer
