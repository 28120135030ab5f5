// Package archive keeps a log in one file, brings it back as a new era, and
// copies a log into another store byte for byte.
//
// It promises:
//
//  1. An archive holds the stored bytes of every frame from the first to its
//     head, in order. What a [Reader] hands over has passed everything that can
//     be checked so far: checksum, sequence, hash chain; [io.EOF] says that the
//     head, the number of frames and the SHA-256 of the whole file are right too.
//  2. What is wrong with a file is a [*Fault] with frame, position and offset. A
//     file that was cut short is [ErrCut], never a shorter log.
//  3. [Restore] copies frames as they are and adds one: EraStarted, which
//     continues the hash chain and declares the hole up to its own position. That
//     position is above every one that is known, so that what the new era grants
//     has a fence above all of the old (L2), and never names an event twice.
//  4. [Copy] leaves the target a prefix of the source at every moment, also after
//     a crash and with unknown outcomes of publishes; a target that is none is
//     refused with [ErrNotPrefix] and left as it is.
//  5. Memory is bounded by a few frames, whatever the length of the log; a restore
//     keeps a number for each open session.
//
// It does not look into decisions, beyond the leases that a restore must wait
// for; it knows no directories; it does not compress or encrypt: a pipe does. It
// starts no goroutines.
package archive
