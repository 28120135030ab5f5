// Package commandtest tests deciders by what happened, what is asked and what
// follows:
//
//	s := commandtest.New(t, model.New())
//	s.Given(&eventsv1.NodeJoined{…}, &eventsv1.SessionOpened{…}) // positions 1, 2
//	s.When(membership.Leave{…}).Then(&eventsv1.SessionClosed{…}, …)
//	s.When(membership.Leave{…}).ThenRejected("session_not_found")
//
// It promises:
//
//  1. Events are numbered from 1 without a hole, those that were given and
//     those that were decided, so that a test may write positions as literals.
//  2. What a decision gives goes through the codec of the log before it is
//     evolved, as it does on a follower.
//  3. Every decision is made twice: it changes nothing, and gives the same
//     bytes each time.
//  4. A refused command leaves no event.
//
// [CheckReasons] compares the rejections that a context documents with those
// in its code and in its tests.
//
// The package knows no model: what it drives is the small interface [Model].
package commandtest
