// Package rebinder gives nodes back what they still own: where an ended session
// owns shards and its node has opened another one from the same data directory,
// the shards are bound to that session, with a new fence.
//
//  1. Nothing is bound to a session of another data directory: the process that
//     had the ended one may still act (S1). The decider checks again.
//  2. What an operator takes by force is not bound again, and neither is a shard
//     of a namespace that is being deleted.
//  3. Step is a function of the write model: a change of leader with unchanged
//     inputs asks for nothing (L7).
//
// Why a node may be bound again at all is in commands/shard/DESIGN.md. It owns no
// goroutine.
package rebinder
