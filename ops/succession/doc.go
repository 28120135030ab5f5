// Package succession fills the leadership scopes that became vacant: it asks
// for an election wherever a scope has candidates and no holder (L5). Who wins
// is the decider's rule, not this controller's.
//
// Step is a function of the write model: a change of leader with unchanged
// inputs asks for nothing (L7). It owns no goroutine.
package succession
