// Package watch fans changes out: each watcher gets what is there and then every
// later change, once, in order, and never holds up the projector or another
// watcher.
//
// It promises:
//
//  1. A watch begins with the rows at a position (and a bookmark of it), or after
//     a position that a client has from before, or at the head. From there every
//     change that passes the filter, before it or after it, comes exactly once
//     and in order of position, then of primary key (A5).
//  2. [Item.Position] is where a client resumes: for all but the last matching
//     change of a decision the position before the decision, for that last one
//     the decision's end. After a cut inside a decision its rows come again.
//  3. A bookmark at p says that all that matches up to p has been delivered.
//  4. A watcher that is slow, or meets a decision of more than
//     projections.MaxLiveRows changes, reads what it missed from its view, and
//     comes back to live changes. A gap is an error, never silence.
//  5. A change wakes the watchers of its routes (shardmap: namespace, owner) and
//     of everything, no others.
//
// Bounds: watchers per hub, decisions and rows that wait per watcher; see
// [Config]. Beyond the first [ErrTooMany]; beyond the others promise 4.
//
// Goroutines: none of its own. The projector's goroutine puts decisions into
// queues and does not wait; the goroutine that called Watch does the rest. Rows
// are shared between watchers: read only.
package watch
