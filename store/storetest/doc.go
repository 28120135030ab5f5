// Package storetest is the conformance suite of package store: what every
// [store.Log] and [store.Register] must do, run against natslog and memlog.
//
// It promises:
//
//  1. A backend that passes keeps the contract of package store as far as one
//     process without faults can see it. Faults are each backend's own tests.
//  2. No test waits for longer than [patience], none sleeps, none depends on
//     another: each opens its own backend.
//
// It does not test crashes, damage or several replicas.
package storetest
