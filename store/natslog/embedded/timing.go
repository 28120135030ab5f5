package embedded

import (
	"errors"
	"sync"
	"time"
	_ "unsafe" // for go:linkname
)

// The raft timing of nats-server. It has no option for it: these are variables of
// its package, of the whole process, and this is the only file that names them.
// With the server's own values a dead leader is missed for 4 to 9 seconds; with
// these for half a second to one. setTiming fails when a release of the server no
// longer has them.
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

// stock are the values that nats-server starts with. Where they are others, the
// variables above are not the server's: a name that it does not have links to
// nothing, silently.
const (
	stockMinElection, stockMaxElection   = 4 * time.Second, 9 * time.Second
	stockHeartbeat                       = time.Second
	stockLostQuorum, stockLostQuorumLook = 10 * time.Second, 10 * time.Second
)

// errTiming: this nats-server is not the one that the names above are of.
var errTiming = errors.New("the raft timing of this nats-server is not where it was: it can only be left as it is (--raft-timing stock)")

// setTiming is called before the first server of a cluster starts, and does
// something once: raft reads the variables without a lock.
var setTiming = sync.OnceValue(func() error { //nolint:gochecknoglobals // of the whole process, as what it sets
	if minElectionTimeout != stockMinElection || maxElectionTimeout != stockMaxElection || hbInterval != stockHeartbeat ||
		lostQuorumInterval != stockLostQuorum || lostQuorumCheck != stockLostQuorumLook {
		return errTiming
	}
	minElectionTimeout, maxElectionTimeout = 500*time.Millisecond, time.Second
	hbInterval = 100 * time.Millisecond
	lostQuorumInterval, lostQuorumCheck = 20*hbInterval, 5*hbInterval
	return nil
})
