// Package harness runs the shipped binary as real processes for tests: servers
// alone and in clusters, agents, and the command line; and does to them what
// happens to processes and networks.
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
//  5. In a [Cluster] every server reaches every other, and every node every
//     server, by a wire of that pair alone ([faultproxy]), which can be cut one
//     way or both, delayed, slowed and healed at any moment, without rights.
//     Where this process may make them, servers can have hosts of their own in
//     place of wires ([Hosts]): then it is the kernel's TCP that meets the faults.
//     Servers are killed, paused, stopped, started, emptied and, where a tmpfs
//     may be mounted, run out of disk.
//  6. [Group.Converged] holds only when every live server is at rest at one
//     position with one head hash; then their logs are compared event by event, and
//     their rows.
//  7. A [Load] knows of each command whether it was acknowledged, refused or
//     neither, and compares that with the log.
//  8. A [Member] says to the millisecond when it owned what, from inside, so
//     that two owners at one moment are seen and a slow clock never looks like
//     them. An agent's own lines count shards and are too coarse for that.
//
// Clock skew. For real processes there is nothing clean: the binary is static,
// so that no library can stand between it and the clock; it reads the clock
// through the vDSO, without a system call that could be caught; time namespaces
// cover the monotonic and the boot clock, and not the wall clock; and setting
// the machine's clock changes it for everybody. A [Skew] is therefore a clock
// for sequencers in the process of the test.
//
// It knows the command line, the API and the SDK, and nothing of the inside but
// that clock.
package harness
