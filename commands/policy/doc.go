// Package policy decides policies: what must agree across nodes and may change
// while they run. Policies of every kind are one event, PolicySet.
//
//  1. The version of a policy rises by one with each PolicySet of its kind and
//     name.
//  2. A kind that was never set has its default; see [DefaultSessionTTL]
//     and [DefaultQuarantine].
//
// Rejections: invalid_field, version_mismatch.
package policy
