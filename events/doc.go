// Package events is the vocabulary of the log: positions, frames, their hash
// chain, the codec, and one description per event type.
//
// It promises:
//
//  1. A frame is encoded once, by [Marshal], deterministically. What is hashed
//     are stored bytes, never an encoding made again.
//  2. [Head.Next] accepts a frame only if it continues the chain: same log and
//     era, the next position, the hash of the bytes before, time that does not
//     run backwards (T1, T5). Everything that reads a log goes through it.
//  3. Positions are dense: event i of a frame has position first + i.
//  4. Old events are upcast on read, here and nowhere else; a stored frame is
//     never rewritten.
//  5. An event of a type that this release does not know decodes, keeps its
//     position, and is reported by [TypeOf] as [UnknownType] (T6).
//
// The package does no I/O, knows no clock and starts no goroutine.
package events
