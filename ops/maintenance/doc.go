// Package maintenance brings nodes to what the maintenance windows in force want of
// them, and back when no window wants them any more. What that is for a node is the
// decider's rule, not this controller's: it asks for the nodes that are not there.
//
// Step is a function of the write model and the time: a change of leader with
// unchanged inputs asks for nothing (L7). It owns no goroutine.
package maintenance
