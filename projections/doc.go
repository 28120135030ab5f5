// Package projections turns the log into rows that can be asked: the projector
// follows the log and runs tables, each a pure function from an event to
// changes of rows; a [View] reads what they wrote, as it is now or as it was.
//
// It promises:
//
//  1. A [View] is the state at the end of a decision: every event up to its
//     position, none after it, in all tables alike. It never changes.
//  2. Rows, index, counters and the mark on the log commit together. After a
//     crash the projector goes on from the mark; a decision that was cut is
//     redone from the row at which it was cut (T2, T4).
//  3. Rows are a function of the log alone: built in one run, rebuilt, or
//     delivered again, they are the same bytes.
//  4. Positions that are given out are ends of decisions. [View.AsOf] reads an
//     inner position as the state before its decision, refuses one beyond the
//     view ([AheadError]) and one in a declared hole ([VoidError]).
//  5. [Projector.WaitFor] returns nil only when the view shows the position (A4).
//  6. The log wins. A directory whose mark the log does not have is moved away,
//     never deleted, and built anew; [Projector.Lost] says so (or Open refuses,
//     as [Config.OnDivergence] says).
//  7. A table of a new version is rebuilt beside the old one. Until it has
//     caught up the view stays where it was, old version included; then all
//     tables go on together.
//  8. Listeners hear each decision after the view shows it, in order, on the
//     projector's goroutine; a listener must not wait.
//
// A table changes a row at most once per event: what a second change of the
// same event would do is ignored. That makes promise 2 a comparison of
// positions instead of a second bookkeeping.
//
// The package decides nothing, writes no event, and does not prune history.
//
// Goroutines: Run starts one that reads and verifies the log ahead of the one
// that applies; both end before it returns. Views may be used by anyone.
package projections
