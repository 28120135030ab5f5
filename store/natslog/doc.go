// Package natslog keeps the log on JetStream, in an embedded NATS server in this
// process, with an anchor beside it and a check of its files before they are
// used.
//
// It promises:
//
//  1. What package store promises of a Log and a Register; storetest holds it to
//     that. The acknowledged is fsynced (A1).
//  2. Open serves only a log that reaches the anchor, the caller's known end and
//     the end of the last clean stop, with the hashes that they name, and whose
//     files are whole. Anything else is store.ErrLogMissing, or a [*CorruptError]
//     with file, message and position, and no message file was changed (T5, V3).
//     In a cluster the log as a whole must reach that far; Open waits for it, for as
//     long as its caller does, and what is missing of this copy the others bring.
//  3. JetStream never reads a block file that this process has neither written
//     nor verified, because it silently cuts a file at a bad checksum. A stored
//     message that cannot be read ends Load and Follow with a *CorruptError; none
//     is passed over.
//  4. Open creates a log only where there is no sign of an earlier one, in a cluster
//     on any of the listed servers; State says so, and the caller decides whether it
//     may begin. A directory that was emptied takes no part until it is given the
//     place of its former self ([Store.Replace]), which takes all other replicas to
//     have all that is stored.
//  5. A follower at the end gets a message of this process directly after its ack.
//     A slow one reads from JetStream at its own pace and holds nobody up (V2).
//  6. Publish, Load, Follow and the register survive a restart of the embedded
//     server. Nothing is sent later than it was asked for.
//  7. Close returns when every goroutine has ended, and may be called again.
//
// It does not verify the chain of what is published or followed (the scrub does, and
// the putting back of a lost end), and does not know who may publish. One replica, or
// one on each of three or five servers: [Config] says so. DESIGN.md says what is odd
// here and why.
//
// # Goroutines
//
// Open starts two, for the anchor and for the end of the log, and in a cluster one
// that looks at the routes and those of the [Link], beside those of the server and of
// its client; Close ends them all. Follow and Guard run on their caller's goroutine,
// Guard with one for each of its watches. Everything exported may be called from any
// goroutine.
package natslog
