package election

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
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

// Candidate is what may be brought to lead: a [sequencer.Sequencer].
type Candidate interface {
	View() sequencer.View
	Status() sequencer.Status
	HasAuthority() bool
	Campaign()
	Withdraw()
}

// Streams are the replicated streams under the log and the register.
type Streams interface {
	// Hosts tells which of them this server leads.
	Hosts() (log, register bool)
	// MoveLeaders brings both to a server.
	MoveLeaders(ctx context.Context, server string) error
}

// Link carries beats.
type Link interface {
	Tell(kind string, message []byte) error
	Hear(kind string, fn func(message []byte)) error
	Routed(server string) bool
}

// Config of an Election.
type Config struct {
	// Server is this one; Servers is how many are listed.
	Server  string
	Servers int
	// Version of the release, Address of the API: for the others to show.
	Version, Address string

	Candidate Candidate
	Streams   Streams
	Link      Link
	Clock     sequencer.Clock
	Logger    *slog.Logger
	// Metrics may be nil.
	Metrics prometheus.Registerer
	// Prepare, if set, is asked before each candidacy, and an error prevents it: the
	// log may lack what other servers know to be stored.
	Prepare func(ctx context.Context) error
	// Waiting says what this server is not ready for, Shown the position of its reads.
	Waiting func() []string
	Shown   func() events.Position
}
