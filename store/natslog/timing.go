package natslog

import (
	"sync"
	"time"
	_ "unsafe" // for go:linkname
)

// The raft timing of nats-server. It has no option for it: these are variables of
// its package, of the whole process, and this is the only file that names them.
// With the server's own values a dead leader is missed for 4 to 9 seconds; with
// these for half a second to one. TestTiming fails when a release of the server
// no longer has them.
//
// lostQuorumInterval and lostQuorumCheck are 10 s in the server. Left there, a
// leader that lost its majority would answer as if it had one long after another
// was elected. Two seconds, not one, because a busy machine stalls.

//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration //nolint:gochecknoglobals // nats-server has no option for it

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration //nolint:gochecknoglobals // nats-server has no option for it

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration //nolint:gochecknoglobals // nats-server has no option for it

//go:linkname lostQuorumInterval github.com/nats-io/nats-server/v2/server.lostQuorumInterval
var lostQuorumInterval time.Duration //nolint:gochecknoglobals // nats-server has no option for it

//go:linkname lostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
var lostQuorumCheck time.Duration //nolint:gochecknoglobals // nats-server has no option for it

// setTiming is called before the first server of a cluster starts, and does
// something once: raft reads the variables without a lock.
var setTiming = sync.OnceFunc(func() { //nolint:gochecknoglobals // of the whole process, as what it sets
	minElectionTimeout, maxElectionTimeout = 500*time.Millisecond, time.Second
	hbInterval = 100 * time.Millisecond
	lostQuorumInterval, lostQuorumCheck = 20*hbInterval, 5*hbInterval
})
