// Package model is the whole write model: the states of all contexts at one
// position of the log, and the idempotency keys of the recent past.
//
//  1. Decide sees the exact state that it is called on and changes nothing.
//  2. Evolve is total and deterministic: the same log gives the same model,
//     byte for byte in [Model.Image] (T2, T8).
//  3. A Model is a value. Clone shares what neither changes and freezes the
//     original, which from then on anybody may read. The sequencer decides on a
//     clone and drops it whole when its frame is refused.
//  4. One idempotency key of one actor has at most one effect, within the
//     window (A2); see keys.go.
//  5. An event that this release does not know does not stop it: the model
//     says so in [Model.Unknown], and its server may not lead (T6).
//  6. A command survives [Wire] whole or is refused: a field that this release
//     does not know is never left out.
//
// Rejections of its own: idempotency_expired, idempotency_ahead,
// idempotency_mismatch, idempotency_quota, idempotency_malformed,
// actor_missing, command_unknown.
package model
