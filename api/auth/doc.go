// Package auth says who calls and what they may do.
//
// It promises:
//
//  1. A call has exactly one [Identity], and its actor is never empty (C4).
//  2. [Identity.Allows] is the only rule that compares scopes: read < observe <
//     operate < admin; member stands beside them and is a node acting for itself
//     alone. An RPC without a scope is allowed to nobody.
//  3. An actor is "node/<id>", "user/<id>" or "local/<OS user>". What a caller
//     asserts of itself is taken only by [Insecure], which exists for loopback.
//
// It does not terminate TLS, keeps no sessions, and logs nothing. Identities by
// certificate or token come as other implementations of [Authenticator].
package auth
