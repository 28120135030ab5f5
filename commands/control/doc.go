// Package control decides what the log itself is: its cluster and its eras.
//
//  1. The first event of a log is EraStarted, at position 1, era 1.
//  2. A log starts once: later StartEra commands are refused.
//
// Rejections: already_started, invalid_field.
package control
