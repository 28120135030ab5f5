// Package harness runs the shipped binary as real processes for tests: servers,
// agents, and the command line.
//
// It promises:
//
//  1. The binary is built once per test process, as it is shipped (static,
//     -trimpath), or taken from OMNIRELAY_TEST_BINARY.
//  2. Every process ends with its test, and with the test process itself,
//     however that ends (on Linux).
//  3. Waiting is for a condition, with a deadline; nothing sleeps.
//  4. When a test fails, the end of each of its processes' output is in the
//     test's log.
//
// It knows the command line, and nothing of the inside.
package harness
