// Package sequencer turns commands into stored frames, one sequencer at a time.
//
// The simple story: take every queued command, decide them in order on a clone
// of the write model, pack their events into one frame, publish it expecting
// the log's last sequence, and answer everybody when it is stored. While it is
// under way, new commands queue; so the disk's latency is the size of the
// group, and nothing waits on a timer.
//
// [Core] is that story as a state machine without goroutine, clock or I/O: the
// simulator drives it directly. [Sequencer] is the shell that runs one Core
// against a store.Log.
//
// It promises:
//
//  1. One frame in flight. The overlay becomes the state when the frame is
//     stored, and is dropped whole when it is refused; nobody sees it before.
//  2. The outcome of a publish without an ack is found by publishing the same
//     bytes again and by reading the next sequence, never by guessing: an equal
//     hash there is stored, another is refused, nothing there proves nothing.
//  3. A command of a refused frame is decided anew on what was stored instead,
//     as long as this server still leads; it is never answered from the overlay
//     that was dropped.
//  4. A refusal, a replayed answer and a dry run wait for the frame that they
//     were decided in; without one they wait for a renewal of authority that
//     started after the decision. So no answer rests on a lost race.
//  5. The queue is bounded: [ErrOverloaded] is given at once and means that
//     nothing was tried. This server's own commands have room of their own, so
//     that its controllers go on under any load.
//  6. Authority holds for one second from the start of the last successful
//     write of the authority register, by the boot-time clock, and counts only
//     once this leader's own grant is stored and evolved, and the register was
//     written once more after that: see DESIGN.md.
//  7. A log with an event of a newer release is followed and not led: views go
//     on, commands get [ErrNotLeader] (T6). A request that names a control term is
//     tried under no other either.
//
// [Forwarder] stands before the Sequencer of every server and is what callers
// submit to. While this server leads it hands on to the Sequencer and costs
// nothing; else it sends commands in batches to the server that leads, over a
// [Transport] of its owner's. It promises:
//
//  8. A command is sent once. Whether it was received, the caller is told as it
//     is: [ErrOutcomeUnknown] if it may have been, [ErrNotLeader] or the cause of
//     giving up if it was certainly not tried. Its own key makes a repetition
//     safe, at any server (A2).
//  9. The answer is the leader's: receipts, rejections with all their fields, and
//     the same errors. Only events that no message holds are cut to their types,
//     and [commands.Receipt].EventsCut says so.
//  10. Nothing waits for a batch to fill. What comes while the window is full goes
//     in the next one; what was submitted together is decided in its order.
//  11. Barriers that are asked for before a batch leaves share its question, which
//     the leader is asked after them: their position is linearizable.
//  12. Everything is bounded: the queue in requests and bytes, with room of its own
//     for this server's commands ([ErrOverloaded]); a batch in requests and bytes;
//     the batches under way; those that a leader works on; every wait.
//  13. What the leader's release does not know in a command is refused, and nothing
//     of that command is tried ([ErrOlderLeader]).
//  14. Batches to a leader that is no more do not hold up those to its successor,
//     and end soon after it is known.
//
// Run of each owns its goroutines. Neither retries for callers or knows sessions,
// and no frame is started when there is nothing to decide. The Forwarder believes
// the actors of what it is asked by other servers: its transport lets only servers
// ask.
package sequencer
