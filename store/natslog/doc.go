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
//  8. Guard reads all files in the background, at a stated rate, and compares this
//     server's copy with what was anchored: damage ends it with a *CorruptError, and
//     Trouble says when the copy is behind (V3).
//  9. An end of the log that was known to be stored and that the log has lost is put
//     back byte for byte from what a server still holds, or told of with who lacks
//     what; meanwhile nothing is published. ConfirmEnd tells, from a majority, that
//     none is missing.
//  10. A directory whose place in the cluster was given away ends Open and Guard with
//     ErrNotMember, when a majority of the servers says so, and never by silence.
//
// It decodes frames only for positions, for the chain in Guard, and to verify what is
// put back; followers verify what they follow. It does not know who may publish.
// Package jsfile reads the files. DESIGN.md says what is odd here and why.
//
// # Goroutines
//
// Open starts two, for the anchor and for the end of the log, and in a cluster those
// of the [Link], beside those of the server and of its client; Close ends them all.
// Follow and Guard run on their callers' goroutines, Guard with up to four of its
// own that it waits for. Everything exported may be called from any goroutine.
package natslog
