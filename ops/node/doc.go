// Package node is the composition root of a server: it opens and starts the
// parts in the order in which they depend on each other, and stops them in
// reverse. It has no rule and no state of its own.
//
// It promises:
//
//  1. [Run] returns when every part has ended: after ctx ended, nil, or after a
//     part failed, the error of that part with its name.
//  2. A part that fails stops the server. No part is started again behind the
//     others' backs: the process ends, says why, and whoever runs it decides.
//  3. A graceful stop takes at most [StopWithin]: calls under way are answered,
//     streams end, what was decided is stored, a snapshot is saved, the stop is
//     marked clean.
//  4. A damaged or shortened log is refused at start, by file and position,
//     with every file as it was (T5, V3); see [Explain].
//  5. A data directory belongs to one process, one server name and one cluster.
//     Genesis happens only in a directory without any sign of an earlier log.
//  6. Status says of each part whether it is starting, ready, stopping or
//     failed; ready means all of them (/readyz).
//  7. A log with an event of a newer release does not end this server: it serves
//     reads and follows, is not ready, and says at which position (T6).
//
// The directory:
//
//	identity.json   id of the directory (8 hex digits), server name, cluster
//	lock            held while a server runs
//	log/            JetStream's store and the anchor
//	snapshot/       the write model
//	rows/           the projections, which the log can rebuild
//
// Goroutines: one for each part that runs, and one that watches readiness and
// leadership; all end before Run returns.
package node
