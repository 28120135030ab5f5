// Package sessions keeps the leases of nodes on the control leader: it answers
// heartbeats and closes the sessions whose timer ran out.
//
//  1. A heartbeat is answered only while this server leads with authority, and
//     only for the present session of the node, proven by its secret.
//  2. A session's timer is the receipt of its last answered heartbeat + TTL.
//     When authority is gained anew, every timer starts again at TTL + 1 s: the
//     leader before may have answered until its own authority ended, or may do
//     so still, and so an answer never makes a timer end sooner. So every lease,
//     which the node counts from before the heartbeat was sent, ends before its
//     expiry decision.
//  3. Expiry is serialized with answering: a session is first marked, none of
//     its heartbeats is answered any more, then the close is asked for. The mark
//     ends with the session, or when the close was definitely refused. It
//     outlives a lapse of authority: a leader that takes the register again may
//     still have the close in flight (found by simulation, seed 148). A close
//     whose outcome is open is asked for again until the log tells it, and no
//     mark outlives the grant that it was made under.
//  4. Brake: if more than half of at least five sessions would close within one
//     TTL, none closes for three TTL: then the control plane is the likelier
//     patient.
//  5. No session is closed while the log is sealed, and when it is resumed every
//     timer starts again. On a sealed log only the leader that sealed it answers.
//  6. After a restore no session of the time before is answered. They run out
//     without the brake, and when the longest lease of then is over as well, the
//     era is settled: only then are sessions opened again.
//  7. An ownership that outlives its session ends when its ownershipTTL has passed
//     since the last answered heartbeat, by the rules of 2: when authority is gained
//     anew it starts again, at ownershipTTL + 1 s, and so it does not end before the
//     node has stopped. The brake and the seal hold it; a leave of the node ends it at
//     once. A sticky one ends by no time.
//  8. A session that is going to be closed is not answered, and closes when its timer
//     has ended, brake or not. What it says that it released is heard.
//  9. What nodes say that they hold is kept in memory only: a new leader hears
//     it again.
//
// [Leases] is pure and has one owner; [Keeper] puts a lock around it for the
// handlers and the controller's loop. Nothing here is written to the log but
// the closes and the ends of ownerships.
package sessions
