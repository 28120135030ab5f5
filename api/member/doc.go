// Package member is the SDK of a process in the mesh: join, keep a session,
// lead scopes, own shards, route keys.
//
// What it promises to the code that it runs:
//
//  1. A shard is owned only while the lease lives, by an assignment to the
//     present session, read at a position not older than the newest seen, with a
//     fence above every one that was released here (S1, L2). The lease is
//     counted from the sending of the answered heartbeat, on this machine's
//     boot-time clock, and ends TTL/8 before the server's timer can.
//  2. The context of an ownership ends when the ownership does: on release with
//     [ErrReleased], at the end of the lease with [ErrLeaseEnded], when the
//     assignment is gone with [ErrReassigned]. A lease that is answered again in
//     time resumes its ownerships with the same fence, and no event.
//  3. A release is reported only after the owner's callback has returned, and a
//     fence that was released is never owned again.
//  4. Routing goes on from the last good table when every server is silent (V1).
//
// [Core] is the part that must not be wrong: pure, stepped, without clock or
// goroutine; the simulator drives it directly. [Member] is its shell.
package member
