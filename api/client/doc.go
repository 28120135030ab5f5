// Package client is the typed Go client of the control plane's API.
//
// A [Client] knows all endpoints of a mesh and talks to one of them; it moves
// over by itself when that one is gone. Its fields are the services: Peers,
// Leaders, Namespaces, Shards, Schedules, Log, Sessions, System, Commands.
//
// It promises:
//
//  1. A call ends within its context's deadline, or within Config.CallTimeout
//     when the context has none. Inside, attempts that may succeed elsewhere or
//     later (unavailable, an attempt's own timeout, resource_exhausted with a
//     hint when to retry, a connection that broke) are made again, first on
//     each other endpoint, then with jittered backoff.
//  2. A mutation carries an idempotency key, made once per call (or the
//     caller's) and kept over all attempts: at most one effect. A key that is
//     refused as too old or too new is replaced by one dated by the log's time,
//     only if the client made it and no attempt with it ended unknown.
//  3. Every error is an [*Error], by errors.As. OutcomeUnknown says that a
//     mutation may have happened; repeating the call with the same
//     IdempotencyKey finds out.
//  4. A watch delivers a snapshot and then each later change once and in
//     order, over any number of connections; a resume goes to the same log or
//     fails with log_mismatch.
//  5. A [Commander] and a [Lookuper] merge the calls of many goroutines into
//     few messages on one stream, without a timer: one caller alone waits for
//     nothing. Their queues are bounded; a full queue makes callers wait within
//     their deadlines.
//  6. Requests are not changed: the client works on copies. The exception is
//     [Commander.Submit], which takes its command over.
//
// A Client starts no goroutine of its own. [Commander.Run] and [Lookuper.Run]
// own theirs and return when all have ended. A watch runs in the goroutine
// that ranges over it.
//
// It keeps no cache, and it does not read credentials from the environment:
// that is the business of its callers.
package client
