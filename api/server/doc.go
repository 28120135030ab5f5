// Package server answers the API: every RPC of api/v1 by Connect, gRPC and
// gRPC-Web, the REST routes and the SSE streams, from one handler.
//
// It promises:
//
//  1. One chain for every call, whatever its protocol: recover, request id,
//     metrics, authentication, authorization, validation, handler. An RPC
//     without a scope in its proto, or without a handler, keeps the server from
//     starting.
//  2. A read is answered from one view, at one position, which the answer names
//     (X-Mesh-Log, X-Mesh-Position). A page token pins that position, so the
//     pages of a list are of one state (T3).
//  3. A mutation is a command and nothing else: it is acknowledged when its
//     decision is stored (A1), and one idempotency key has at most one effect
//     (A2). A request that is refused here, for its form, leaves no event, but a
//     record with [Refusals] (A6), as every call does that is refused here.
//  4. A stream is a snapshot and then every change once, in order (A5). A client
//     that does not read holds up nobody; when it is given up it has a position
//     to resume after.
//  5. Every error has a reason, and says what was wrong, where, and what is
//     allowed. errors.go is the only place that maps to codes, problem.go the
//     only one that maps codes to HTTP.
//  6. Every size and number that a caller can drive is bounded in limits.go.
//
// It holds no rules and no state of the mesh: rules are the deciders', rows the
// projections'. It knows no sessions; [Heartbeats] is asked.
//
// Goroutines: those of net/http, one per command of a stream in flight, and one
// beside each SSE stream and command stream; all end with their request.
package server
