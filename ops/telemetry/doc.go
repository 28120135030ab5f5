// Package telemetry sets up what a process says of itself: its log lines and
// its metrics.
//
// It promises:
//
//  1. One slog handler, text or JSON, with the fields role, node and cluster on
//     every line, where they are known.
//  2. A level for all, and another for single components, by the attribute
//     "component" that a logger was made with. Both can be changed while the
//     process runs, and take effect at once.
//  3. One registry of metrics: Go runtime, process, build, and what components
//     register. A name is registered once.
//
// It starts no goroutine, writes no file, and does not trace; the API chain
// keeps request and correlation ids.
package telemetry
