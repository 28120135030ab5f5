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
// OMNIRELAY_LINEAR_SECONDS sets how long runs are repeated, with other seeds.
package linear
