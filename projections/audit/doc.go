// Package audit is the index of who did what, to what, and in which chain of
// calls: actor, entity and correlation id to the decisions on the log.
//
// It promises:
//
//  1. Every decision is found by its actor, by its correlation id, and by the id
//     of each entity that its events are about (the id that events.Describe
//     gives: a node, a namespace, "ns/shard", a scope, "kind/name").
//  2. A shard that shares an event with others is found by its namespace; its
//     own history is the shardmap's.
//  3. Answers are positions of decisions, ascending; what was decided is read
//     from the log (projections.Events), so the index cannot disagree with it.
//
// Refused calls are not on the log and not here.
package audit
