// Command bench measures OmniRelay beside etcd, in one run on one machine, and
// prints a table: what, ours, theirs, their ratio, the target, reached or not.
//
// It promises:
//
//  1. The two sides of a line are measured in turn, A B A B …; the ratio is the
//     median of the ratios of neighbours, so that a machine whose speed drifts
//     does not favour one side.
//  2. Both are durable: each answer that counts comes after an fsync. Data is in
//     temporary directories on a disk; a file system in memory is refused.
//  3. Every process that it starts ends with it, listens on 127.0.0.1 alone, and
//     every wait has a deadline.
//  4. What a line compares, and in which process each side runs, is said in the
//     name of the line or of its group.
//  5. An answer that is an error is never counted: it ends the group, and the
//     table says so.
//
// It is not a test: no figure fails anything. `go test` runs each group for a
// moment, so that a change of an API shows here too.
package main
