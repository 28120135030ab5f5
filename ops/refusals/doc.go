// Package refusals keeps the audit of refused calls (A6): who asked for what,
// and why it was refused, in a bounded stream beside the log.
//
// It promises:
//
//  1. A refused call leaves a [controlv1.Refusal]. Within the bounds of [Config]
//     it has a record of its own; beyond them it is counted by principal and
//     reason, and the counts become records too. Principals and reasons beyond
//     MaxCounts are counted as "other".
//  2. Taking a refusal does not wait and does not touch a disk: a refused command
//     costs no fsync. Many are packed into one stored record, one each Every.
//  3. One principal cannot push out the records of others: each has a burst and
//     then a rate, and is counted beyond.
//  4. A batch whose outcome is open is stored again until it is known to be. So a
//     refusal may be listed twice after an outage, and is lost only when the
//     process ends first; then mesh_refused_total says how many.
//  5. Ids rise in the order of the list and never change.
//
// It does not decide what is a refusal: package sequencer reports what deciders
// refuse, package server what never came to a decision.
//
// Goroutines: [Recorder.Run] is the one writer. Refused and List may be called
// from anywhere.
package refusals
