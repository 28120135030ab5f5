// Package scheduler fires schedules when they are due.
//
//  1. Step is a function of the write model and the time: it asks for every attempt
//     that the time has come to, and names the moment of the next.
//  2. Whether an attempt is due is the decider's to say, by log time (T7). What a
//     leader that lost its place asks for is refused, and the next leader asks for
//     what is not on the log: each due happens once.
//
// It keeps nothing from step to step and owns no goroutine.
package scheduler
