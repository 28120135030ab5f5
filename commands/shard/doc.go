// Package shard decides namespaces and who owns their shards.
//
//  1. NamespaceCreated brings all its shards into being, unowned; SessionClosed
//     takes from its session what ends with it, OwnershipExpired what did not. Each
//     is one event, whatever the number of shards.
//  2. An unowned shard may be assigned; an owned one changes its owner only
//     after a release with its current fence, or the end of its ownership (S1): with
//     the close of the owner's session, or later, as the namespace's ownership mode
//     says (DESIGN.md has the table), or by a forced move. A move is desired state
//     until then: first its target is asked to prepare, then, when its present
//     session said that it did, the owner to release; what is released goes to the
//     target in one fact (S7). A release that comes earlier counts as well: the
//     shard is then assigned.
//  3. An assignment names (node, session); its fence is the position of the
//     event, so fences of a shard strictly increase (L2). The node has that
//     session, is not cordoned, and has the role of the namespace (S3). Only to
//     bind what a node owns already to its next session needs no more than that
//     session, of the same data directory.
//  4. A paused shard keeps its owner, is not moved, and, unowned, is not
//     placed (S10). A held shard is not moved for balance until the hold ends
//     (S9), but for the drain of its owner. Moves of a drain are taken back when
//     its owner is not draining any more.
//  5. A namespace is deleted by two facts: NamespaceDeleting, after which
//     owners release, and NamespaceDeleted, when none owns any more.
//  6. The version of a shard rises by one with each event that touches it (S4).
//     That of a namespace does too, and goes on where a deleted one of the name
//     ended (NamespaceCreated says with which it begins; in logs of before it is
//     1), so that a condition on the one does not fit the other.
//  7. All namespaces together have at most [MaxTotal] shards.
//  8. A shard whose owners die within the window of their assignments, one after
//     the other ([Quarantine]), is quarantined by the decision that closes the
//     last one's session: unowned, not placed and not moved, until an operator
//     releases it. An owner that survives the window clears the count; one that
//     was silent before it was given the shard proves nothing. A close that would
//     quarantine more than MaxAtOnce shards quarantines none.
//  9. Readers of a shard are sessions of other nodes than its owner's, that were
//     assignable when they were given it, and at most Spec.Readers. A reader ends
//     with its session, when its node becomes the owner, when it is released, when
//     the shard is quarantined, and with its namespace. It has no fence: nothing is
//     accepted from it.
//
// Rejections: namespace_exists, namespace_not_found, namespace_deleting,
// namespace_in_use, strategy_unknown, ownership_unsupported,
// shard_count_shrinks, shards_exhausted, shard_not_found, shard_owned, shard_paused,
// shard_not_paused, shard_moving, shard_not_moving, shard_held, already_owner,
// shard_quarantined, shard_not_quarantined, not_owner, owner_silent, move_forced, ownership_sticky, node_not_found,
// node_cordoned, node_draining, node_drained, node_not_eligible, node_not_draining, drain_goes_on,
// session_not_found, session_closing, session_open, deadline_not_reached, target_still_eligible, already_reader,
// not_reader, too_many_readers, too_large,
// invalid_field, version_mismatch.
package shard
