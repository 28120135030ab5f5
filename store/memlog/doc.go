// Package memlog keeps the log and the register in memory, with faults on
// demand: the store of the simulator and of every test that needs no disk.
//
// It has two faces. [Log] and [Register] implement the interfaces of package
// store. Underneath they are passive state machines: [Log.TryPublish],
// [Log.Messages], [Log.Deliver] and [Register.TryWrite] return at once, start
// nothing and wait for nothing, so that a seeded scheduler can drive them from
// one goroutine and get the same run for the same seed.
//
// It promises:
//
//  1. Without faults it behaves as natslog does; both pass storetest.
//  2. It is deterministic: no clock, no chance, no goroutine of its own. What
//     goes wrong is what the caller's [Faults] says, asked once per call, in the
//     order of the calls.
//  3. Bytes are copied on the way in. What is handed out is shared by all readers,
//     who must not change it; it never changes by itself, not even by
//     [Log.Corrupt].
//  4. A fault leaves what it says: after [AckLost] the message is stored, after
//     [Lost] and [SpuriousRefusal] it never will be, after [Delayed] it waits
//     until Deliver or Drop decides.
//
// It does not verify frames, does not survive its process, and has no replicas:
// several simulated servers share one Log, which is the log as their quorum sees
// it.
//
// All methods are safe for concurrent use. Faults is called with the log locked
// and must not call back.
package memlog
