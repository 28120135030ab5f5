// Package linear checks that commands and linearizable reads are what they say,
// with porcupine, while everything goes wrong that a store can do.
//
// Two real sequencers compete for one log and one register in memory; acks are
// lost and delayed, frames are refused without reason, both are killed and
// started again. Clients set labels, cordon and uncordon nodes, repeat what was
// not answered with the same key, and read behind a barrier.
//
// It promises:
//
//  1. What was answered is checked as answered: an effect, a refusal by the
//     state, or a state that was read.
//  2. An operation whose outcome stayed open is checked too: it may have taken
//     effect at any later time, or never, but at most once.
//  3. The checker is itself tested on histories that are wrong.
//
// Time is that of a testing/synctest bubble, so a run takes as long as its work.
//
// The same on three real servers, while they are killed, paused and cut off:
// clients write, replace what they read, and read namespaces; candidates campaign
// for scopes, resign them and ask who leads. Besides,
//
//  4. A read at the position of a receipt shows it, at any server (A4); a watch by
//     a client that moves between servers delivers every change once, in order (A5).
//  5. Afterwards the servers' logs are equal and their chains verify (T1), the log
//     obeys what the simulator's checker asks of its own (sim.CheckEvents: L1, L2,
//     L4, S1, S3, S7, T2, and no session that expired too soon), and the rows of
//     all servers are equal at the head and as of past positions (T2, T3).
//
// What it does not look at: T4 and T5, which tests/sim, commands/sequencer and
// store/natslog show, V2 and V3, which tests/e2e does, and A1 and A2 as of a
// crash of all, which tests/e2e does by the loads of tests/harness; here an
// acknowledged write that is lost or doubled is a history without an order.
//
// OMNIRELAY_LINEAR_SECONDS sets how long runs are repeated, with other seeds.
package linear
