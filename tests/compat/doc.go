// Package compat replays logs that earlier releases wrote. A log in testdata is
// kept for ever, byte for byte, with the state that it had to its release: a
// later release must come to the same state from the same bytes.
//
// A new release adds a log: go test ./tests/compat -fill writes those of
// [releases] that are not there yet, and never touches one that is.
package compat
