// Package election brings one of several servers to lead the control plane, and
// keeps what each knows of the others.
//
// Every server tells the others, five times a second and at every change, who it
// is, how far it has come, whom it follows and whether it misses that leader. From
// what it hears, which a [Roster] keeps, [Step] says whether this server should
// campaign; both are pure. The sequencer does so, and the authority register and
// the log decide who wins. So nothing here can make two leaders: it can only cost
// time.
//
//  1. A server misses the leader when it has heard neither a frame nor a sign of
//     authority from it for [MissAfter]; sooner when the connection to it broke, or
//     when it says that it retires.
//  2. A server campaigns only when a majority of all listed servers, itself
//     included, misses the leader, and when it has come as far as those it hears.
//     A server that alone cannot hear the leader deposes nobody.
//  3. The server that hosts the log's JetStream leader campaigns first: a frame
//     goes the shortest way from there, and after a crash raft has just found out
//     who that is. Another one waits [HostWait] longer, in case the host cannot.
//  4. A leader that retires names its successor, who takes over at once: the
//     register passes from one to the other without a gap in between.
//  5. A leader that does not host the streams of log and register for [SteerAfter]
//     brings them to itself.
//  6. Two servers that show different heads at one position are told of, loudly,
//     and the one that does not lead ends with [ErrDiverged].
//
// Nothing of this is on the log: beats are signs of life, not changes.
//
// Goroutines: Run is one; what is heard comes in on the link's goroutine and is
// kept under a lock that is never held across I/O.
package election
