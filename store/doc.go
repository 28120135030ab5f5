// Package store declares what the log needs of whatever keeps it. natslog
// keeps it on JetStream, memlog in memory with faults; both pass storetest.
//
// It promises:
//
//  1. A message is stored whole or not at all, and once Publish has returned
//     nil it is on the disks of a quorum and is never lost or changed (A1).
//  2. Messages have the sequences 1, 2, 3 …; Publish stores only at exactly
//     the sequence after the one expected, so that of two writers with the
//     same expectation at most one stores.
//  3. An error of Publish other than nil says nothing about the outcome,
//     [ErrWrongSequence] included: on three replicas a server also counts
//     messages that are proposed but never stored. Only Load, and only what it
//     finds, decides.
//
// The package stores bytes. Frames, positions and the hash chain are events'.
package store
