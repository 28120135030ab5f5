// Package policy decides policies: what must agree across nodes and may change
// while they run. Policies of every kind are one pair of events, PolicySet and
// PolicyRemoved.
//
//  1. The version of a policy rises by one with each PolicySet of its kind and
//     name. A policy that takes the name of a removed one begins above the version
//     of every policy that was removed.
//  2. A kind that was never set has its default; see [DefaultSessionTTL]
//     and [DefaultQuarantine].
//  3. A maintenance window says of which nodes it wants what, from when to when. It
//     does nothing by itself: see membership, which brings nodes to what the
//     windows in force want, and back.
//
// Rejections: invalid_field, version_mismatch, maintenance_exists,
// maintenance_ended, maintenance_not_found, maintenance_exhausted.
package policy
