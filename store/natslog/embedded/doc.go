// Package embedded runs nats-server in this process, for the log alone.
//
// It promises:
//
//  1. Nothing listens for clients; the connections of this process are made in it. A
//     server of a cluster listens on its route address.
//  2. An ack of JetStream means on disk (A1).
//  3. Start returns when the server is ready. What nats-server would end the process
//     for is an error of Start. Stop returns when its files are written and closed.
//  4. A connection from [Server.Connect] survives Stop and Start: it finds the server of
//     the moment.
//  5. Servers of a cluster miss a dead leader after half a second to one. Start fails
//     where the raft timing of nats-server cannot be set, unless it is to be left.
//
// It knows no streams. Who may write to its directory, and whether its files are whole,
// is for its caller to know before Start.
//
// Everything may be called from any goroutine; Start and Stop, which have the
// nats-server's goroutines between them, by one at a time.
package embedded
