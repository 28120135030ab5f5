// Package placement says which node should own which shard. It is arithmetic:
// inputs in, owners out, no clock, no randomness, no goroutine, no I/O.
//
// An [Input] holds the eligible nodes, the present (or last) owner of every
// shard, and the fixed shards, which are held, pinned or paused. A [Strategy]
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
//
// What it does not do: it knows no load but the count of shards, and no
// constraint but eligibility, which the caller has already applied. It says
// where shards should be, not when they may go: caps, approval and handoff are
// the controllers'. Ring and Rendezvous look at the owners only to count moves.
//
// An owner that is not among the nodes, because it is dead, cordoned or draining,
// counts as none: taking a shard from it is a placement, and From is NoOwner.
// A shard that is unowned but whose last owner is eligible should be given with
// that last owner (ARCHITECTURE §5): it then appears in Result.Owner and, if it
// stays, not in Result.Changes.
package placement
