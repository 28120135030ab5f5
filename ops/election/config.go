package election

import (
	"errors"
	"time"
)

// The timing of elections. All servers of a cluster are of one release or its
// neighbour, so that these are constants and no settings.
const (
	// BeatEvery is how often a server tells the others of itself.
	BeatEvery = 200 * time.Millisecond
	// StepEvery is how often a server looks whether it should campaign.
	StepEvery = 20 * time.Millisecond
	// FreshFor is how long a beat counts.
	FreshFor = 3 * BeatEvery
	// MissAfter is the silence after which the leader is missed: five beats, and
	// as long as its authority lasts.
	MissAfter = time.Second
	// MissUnrouted is the same when no connection leads to it any more.
	MissUnrouted = 100 * time.Millisecond
	// HostWait is how long the others leave it to the host of the log's JetStream
	// leader to campaign, HostWaitRank how much longer for each server that hears
	// more of them: so that they do not all begin at once.
	HostWait     = 1500 * time.Millisecond
	HostWaitRank = 400 * time.Millisecond
	// CampaignEvery is the least time between two campaigns of a server.
	CampaignEvery = 200 * time.Millisecond
	// GiveUpAfter ends a candidacy that got nowhere while the leader is back.
	GiveUpAfter = 3 * time.Second
	// SteerAfter is how long a leader leaves the streams elsewhere.
	SteerAfter = 2 * time.Second
)

// ErrDiverged: this server's log is not the leader's.
var ErrDiverged = errors.New("log_diverged: this server shows another frame than the leader at the same position")
