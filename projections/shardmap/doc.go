// Package shardmap is the view of shards: who owns each, which move is in
// flight, and what became of it since the namespace was created.
//
// It promises:
//
//  1. A shard has a row from its NamespaceCreated (or the NamespaceUpdated that
//     added it) to its NamespaceDeleted. Rows are [controlv1.ShardRecord]s.
//  2. The version of a row rises by one with each event that touches it; its
//     checksum is a function of the row (S4). Both agree with the write model of
//     commands/shard.
//  3. A shard is draining exactly while it has an owner and a move in flight,
//     unless it is paused or disabled. A move outlives its owner: the shard is
//     then placed where it was going.
//  4. A row says how its namespace is owned, and of an ownership that outlives its
//     session that the owner is silent.
//  5. A list, a diff and a history answer from one view; filters are exact.
//  6. Counters say per namespace, and over all, how many shards there are, are
//     unowned, moving, quarantined, and have each status. They are of the present.
//
// It does not decide who may own what, and knows no nodes.
package shardmap
