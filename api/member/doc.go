// Package member is the SDK of a process in the mesh: join, keep a session,
// lead scopes, own shards, route keys.
//
// What it promises to the code that it runs:
//
//  1. Owning begins only while the lease lives, by an assignment to the
//     present session, read at a position not older than the newest seen, with a
//     fence above every one that was released here (S1, L2). The lease is
//     counted from the sending of the answered heartbeat, on this machine's
//     boot-time clock, and ends TTL/8 before the server's timer can. How long
//     owning goes on is the mode of the namespace. lease: as long as the lease lives,
//     or until ownershipTTL − ownershipTTL/8 after the last answered heartbeat of the
//     session that the assignment names, if that is later, whatever becomes of the
//     session. fenced and sticky: until the log, as this member hears it, says
//     otherwise; [Ownership.Stale] is true from where a lease would have ended.
//  2. The context of an ownership ends when the ownership does: on release with
//     [ErrReleased], at the end of the lease with [ErrLeaseEnded], when the
//     assignment is gone with [ErrReassigned], and with [ErrRebound] when the node's
//     next session has it: then it begins again, with the new fence, when the callback
//     has returned. A lease that is answered again in
//     time resumes its ownerships with the same fence, and no event. After a
//     suspension of the machine contexts end within 250 ms;
//     [Ownership.Check] knows at once.
//  3. A release is reported only after the owner's callback has returned, and a
//     fence that was released is never owned again. Until it returns the owner
//     may finish what it is at: Check passes, and [Ownership.Permit] lives.
//  4. Routing goes on from the last good table when every server is silent (V1),
//     and says so after some seconds.
//  5. A [Leadership] is over, here, before anybody else can lead (L1, L6): at the
//     end of the lease, with the session, or when it is resigned here. It never
//     comes back; campaign again. The exception is an operator's resign: the log
//     ends the term at once and may grant the next, and this member stops when it
//     hears so, at the latest with its lease. Until then only the fence tells the
//     two apart (L3).
//  6. A node id is held by one process: of two on one data directory the second
//     is refused by a file lock, of two on different ones by the servers. A data
//     directory belongs to one log; servers of another, or of one that ends
//     before what this node has seen, are an error and not joined.
//  7. A resource behind a [FenceGuard] admits no operation with a fence lower than
//     one that it was shown before for the scope (L3), over restarts too with a
//     [FenceStore], and none of two fences at once in [FenceGuard.Do],
//     [FenceHandler] and [FenceHandlerInterceptor].
//  8. [FenceTransport] and [FenceClientInterceptor] send nothing for a right that
//     has ended (L6). What was on its way when it ended the guard refuses; neither
//     can do without the other.
//  9. A shard that is moved here is prepared before its owner is asked to release
//     ([Config.Prepare]), and what was begun with [Ownership.Begin] is done before
//     a release ends the callback (S7). [Config.Release] runs after it, while the
//     permit lives, before the release is reported.
//  10. A [Forwarder] serves a request under an ownership, brings it to who has one,
//     or says that it did nothing. It sends none twice that may have been done.
//  11. A transaction that [FenceSQL] admitted commits only if no higher fence of its
//     scope was committed before (L3).
//  12. [Config.Read] runs for the shards that the log says this node reads, as far
//     as it has heard. A reader is no owner: it has no fence and no lease, goes on
//     while no server is heard, and what it reads may be old.
//
// The simple way in, which returns when ctx ends and everything is released:
//
//	cfg := member.DefaultConfig("n1", dataDir, "http://127.0.0.1:8080")
//	cfg.Own = func(ctx context.Context, o member.Ownership) error {
//		<-ctx.Done() // own o.Namespace, o.Shard with o.Fence until then
//		return nil
//	}
//	err := member.Run(ctx, cfg)
//
// [New] and [Member.Run] are for those who route, campaign or observe as well.
//
// A program that only campaigns takes an [Elector], and runs without servers on
// the one that [LocalMesh.Join] returns.
//
// Why fences are checked as they are, and what that costs, is in DESIGN.md.
//
// What it does not do: it does not tell who may show which fence to a resource,
// it does not say who should own what, and a leave that finds no session says nothing
// to the servers: what outlives sessions then ends as after a silence.
//
// [Core] is the part that must not be wrong: pure, stepped, without clock or
// goroutine; the simulator drives it directly. [Member] is its shell.
//
// Goroutines: Run owns the loop, which owns the Core; a guard of the lease; the
// writer of what was seen; the watch of own shards, one of each namespace that is
// followed, and one of peers with the first [Forwarder]; at most four heartbeats,
// one open, one leave; one per shard that is prepared, that is owned, or whose
// release waits for work in flight, and one per scope that is led. All have ended
// when Run returns, which therefore waits for callbacks. The loop waits for none of
// them. A guard has none of its own; a stream that it cuts leaves one behind until
// the stream ends.
//
// Bounds: 4,096 changes wait for the loop, those who bring more wait; a full
// heartbeat must fit a message of 4 MiB, which is some 150,000 shards of one
// node; a table takes 16 bytes per shard; a guard knows [MaxFencedScopes] scopes
// and refuses more. A forwarder holds [ForwardConfig.MaxHeld] requests, each for
// [ForwardConfig.Hold], and keeps bodies of up to [ForwardConfig.MaxBody].
package member
