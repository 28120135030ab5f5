package failuredetector

import "time"

// The timing of verdicts. All servers of a cluster are of one release or its
// neighbour, so that these are constants and no settings.
const (
	// SilentAfter is the silence after which a server is noted as lost: 25 signs of
	// life, and long enough for a process to be started again in place of one that
	// was killed.
	SilentAfter = 5 * time.Second
	// HeardWithin is how fresh a sign of life is that brings a lost server back.
	HeardWithin = time.Second
	// LookEvery is how often the leader looks: what is heard is not on the log and
	// wakes nobody.
	LookEvery = 250 * time.Millisecond
)
