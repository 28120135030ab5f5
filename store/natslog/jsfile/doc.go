// Package jsfile reads what an embedded nats-server has on the disk, to tell whether
// it is whole before the server does, which cuts what it cannot read.
//
// It promises:
//
//  1. It writes nothing, and starts no goroutines.
//  2. Damage is a [*CorruptError] with file, offset, message and, where the frame
//     before says it, position. Any other error says that the disk did not answer.
//  3. [Blocks.Inspect] accepts a log whose every message is there from the first to
//     the last, with the bytes that were stored. It reads no block that the mark of a
//     clean stop vouches for and that the server will not read when it starts; those
//     are [Unread], and verified when somebody asks for their messages.
//  4. A record is forgiven as torn only at the very end of the last block, above the
//     floor of its caller, and if nothing whole follows it.
//  5. [Scrub] and [Finder] read files that a server is writing: what changes under
//     them is no damage.
//  6. [Check] accepts descriptions of streams, logs and newest snapshots of raft only
//     as nats-server would take them.
//
// A CorruptError of a log that is open says so (Opened) if it is of Scrub; other
// callers know. It reads neither encrypted nor compressed files, nor a log whose first
// message is not 1, nor tav.idx (raft's term and vote), which has no checksum.
// DESIGN.md says what is odd here and why.
//
// A Blocks may be used from any goroutine, and so may an Unread; a Scrub and a Finder
// belong to one.
package jsfile
