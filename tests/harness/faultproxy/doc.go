// Package faultproxy carries TCP connections and UDP datagrams to a target on
// this machine, and does to them what networks do. It needs no rights and no
// help from the kernel: it is a process's own wire.
//
// It promises:
//
//  1. Each direction has its own [Fault], which may change at any moment, for
//     what is live as well as for what comes. The zero Fault is a healthy wire.
//  2. Cut: what is under way and what comes vanishes, ends of connections
//     included; connections stay open. A stream with a hole cannot go on: a
//     connection that lost something is reset when its cut ends. One that lost
//     nothing goes on. While a direction is cut, a new connection leads nowhere,
//     as its handshake would, and is reset when nothing is cut any more.
//  3. Hold: nothing is lost, nothing arrives: a cut so short that
//     retransmissions bridge it. It all arrives when the hold ends.
//  4. Delay, Jitter: nothing arrives earlier than Delay, nor, but for a busy
//     machine, later than both together. Streams keep their order, datagrams do
//     not. The handshake of TCP itself is not delayed.
//  5. Loss: a datagram is lost; what was read of a stream comes later by the
//     time of a retransmission, and what follows it waits for it.
//  6. Rate: all connections of a direction share so many bytes a second.
//  7. [Proxy.Reset] breaks what is live, [Proxy.Refuse] that and what comes,
//     until [Proxy.Heal].
//  8. Bytes are counted, those that arrived and those that vanished.
//  9. A [Switch] does the same to the Ethernet frames of hosts, where there are
//     interfaces to plug in: what the kernels make of that is real.
//
// 10. Close ends every goroutine and returns when they have ended.
//
// Bounds: 1 MiB waits in a direction of a connection; then a stream is not read
// any further and datagrams are lost. Datagrams of more than 1,024 senders are
// lost too.
//
// What it does not do: a target that refuses or is gone shows as a connection
// that is accepted and then reset. What has been handed to the kernel on the far
// side is out of reach of a cut.
package faultproxy
