// Package placement says which node should own which shard. It is arithmetic:
// inputs in, owners out, no clock, no randomness, no goroutine, no I/O.
//
// An [Input] holds the eligible nodes, the present (or last) owner of every
// shard, and the fixed shards, which are held, paused or quarantined. A [Strategy]
// turns it into a [Result]: an owner per shard, the changes as ranges, and a
// [Certificate] that sets what was done beside what could not have been bettered.
//
// What it promises:
//
//  1. S8. The result is a function of the set of nodes, the owners, the fixed
//     shards and the namespace's name: the order in which nodes are given does
//     not matter, nor does the machine. All choices are made in integers; the
//     floats of the certificate are each one correctly rounded quotient (or the
//     difference of two), which no compiler may fuse.
//  2. S6. [Optimal] with equal weights leaves every node with ⌊K/N⌋ or ⌈K/N⌉ of
//     the K shards that are not fixed.
//  3. Optimal with any weights makes the highest load per weight as low as whole
//     shards allow, and leaves no node below the whole part of its share.
//  4. Optimal reaches 2 and 3 with the fewest moves from the given owners; the
//     certificate's bound is computed from the input alone, and GapMoves is 0.
//     DESIGN.md has the proof. Placing an unowned shard is not a move.
//  5. S5. With equal weights, from an assignment that satisfies 2: a lost node's
//     shards change owner and no others; a joined node receives at most ⌊K/(N+1)⌋
//     shards, and nothing moves anywhere else. With unequal weights Optimal may
//     also move shards of survivors, where 3 asks for it.
//  6. S5. [Ring] and [Rendezvous], with any weights: a lost node's shards change
//     owner and no others; a join moves shards only to the joined node.
//  7. S10. A fixed shard keeps the owner that it has, even none, and counts in no
//     load. An unowned fixed shard is not placed.
//  8. Placing again from a result changes nothing.
//  9. [ShardForKey], and the placements of Ring and Rendezvous, never change from
//     release to release: testdata holds vectors that are kept for ever. So are
//     the vectors of Optimal, which a recomputed plan must match byte for byte.
//     All of this is for inputs without [Rules].
//  10. Under [Rules] no strategy gives a shard a node that they forbid, and every
//     strategy places as many shards as can be placed. Shards that have no place
//     are listed with the rule that leaves them none; of these, one that has an
//     owner keeps it.
//  11. Under rules without a spread, Optimal makes loads as even as they allow:
//     the highest load per weight as low as it can be, then the same among the
//     shards and nodes that this does not concern, and so on. With a spread the
//     highest is as low as it can be. Either is reached with the fewest moves.
//     1, 7 and 8 hold as without rules.
//  12. [Locality] gives the first preferred place all that it has room for, then
//     the second; zones of a place differ by at most one shard as far as their
//     room allows; a zone is balanced as by Optimal. It keeps 10.
//  13. Under a load bound ([Input.Bound]) Ring and Rendezvous give no node more,
//     where rules leave another. They remain functions of nodes, rules and fixed
//     shards; promise 6 becomes: few others move.
//  14. [Readers] are never on their writer's node nor two on one, satisfy
//     Rules.Require and Rules.Separate, are as many as can be for each shard on
//     its own, and stay when asked again.
//
// What it does not do: it knows no load but the count of shards. It says where
// shards should be, not when they may go: caps, approval and handoff are the
// controllers'. Ring and Rendezvous look at the owners only to count moves.
//
// An owner that is not among the nodes, because it is dead, cordoned or draining,
// counts as none: taking a shard from it is a placement, and From is NoOwner.
// A shard that is unowned but whose last owner is eligible should be given with
// that last owner (ARCHITECTURE §5): it then appears in Result.Owner and, if it
// stays, not in Result.Changes.
package placement
