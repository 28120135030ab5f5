package election

import (
	"slices"
	"strings"
	"time"
)

// View is what a server knows when it looks whether it should campaign. Times are
// boot time, nanoseconds.
type View struct {
	Now int64
	// Self is this server, Servers how many are listed.
	Self    string
	Servers int

	// Leading and Campaigning are the sequencer's; Since is when it last began to
	// campaign. Eligible: this release knows every event on the log.
	Leading, Campaigning, Eligible bool
	Since                          int64
	// HostsLog and HostsAll: this server leads the log's replicas, and those of the
	// register too.
	HostsLog, HostsAll bool
	// Position that this server has evolved to.
	Position uint64

	// Leader is who leads by the log, "" when nobody ever did. Heard is when it was
	// last heard, Routed whether a connection leads to it.
	Leader string
	Heard  int64
	Routed bool
	// Successor is whom the leader wants after itself, when it retires; "" else.
	Retiring  bool
	Successor string

	// Others are the other servers whose beats are fresh.
	Others []Other
}

// Other is what another server says of itself.
type Other struct {
	Server   string
	Misses   bool
	Position uint64
}

// State is what a server remembers from one step to the next.
type State struct {
	// MissedSince is since when a majority misses the leader, AwaySince since when
	// this leader does not host both streams; 0: not now.
	MissedSince int64
	AwaySince   int64
}

// Action is what a step asks for.
type Action struct {
	// Misses: this server misses the leader, and says so.
	Misses bool
	// Campaign, Withdraw: of the sequencer. Steer: bring the streams here.
	Campaign, Withdraw, Steer bool
	// Why is for the log line.
	Why string
}

// Step decides. The state is the one that it returned before.
func Step(s State, v View) (State, Action) {
	a := Action{Misses: v.misses()}
	s = s.remember(v, a.Misses)
	switch {
	case v.Leading:
		a.Steer = s.AwaySince != 0 && v.Now-s.AwaySince >= int64(SteerAfter)
	case v.Campaigning:
		a.Withdraw = !a.Misses && v.Now-v.Since >= int64(GiveUpAfter)
	case !v.Eligible, v.Since != 0 && v.Now-v.Since < int64(CampaignEvery):
	case v.Retiring && v.Successor == v.Self:
		a.Campaign, a.Why = true, "the leader retires and named this server"
	case s.MissedSince != 0 && v.caughtUp():
		a.Why = v.turn(s.MissedSince)
		a.Campaign = a.Why != ""
	}
	return s, a
}

func (s State) remember(v View, misses bool) State {
	switch {
	case v.Leading || !misses || !v.majorityMisses():
		s.MissedSince = 0
	case s.MissedSince == 0:
		s.MissedSince = v.Now
	}
	switch {
	case !v.Leading || v.HostsAll:
		s.AwaySince = 0
	case s.AwaySince == 0:
		s.AwaySince = v.Now
	}
	return s
}

// misses reports whether this server does without a leader.
func (v View) misses() bool {
	silent := time.Duration(v.Now - v.Heard)
	switch {
	case v.Leading:
		return false
	case v.Leader == "" || v.Leader == v.Self: // nobody yet, or this server before it was started again
		return true
	case v.Retiring:
		return true
	case v.Heard == 0 || silent >= MissAfter:
		return true
	}
	return !v.Routed && silent >= MissUnrouted
}

// majorityMisses counts this server, which misses the leader, and those that say
// so.
func (v View) majorityMisses() bool {
	n := 1
	for _, o := range v.Others {
		if o.Misses {
			n++
		}
	}
	return 2*n > v.Servers
}

// caughtUp reports whether nobody who is heard has come further.
func (v View) caughtUp() bool {
	return !slices.ContainsFunc(v.Others, func(o Other) bool { return o.Position > v.Position })
}

// turn says why it is this server's turn to campaign, "" when it is not.
func (v View) turn(missedSince int64) string {
	if v.HostsLog {
		return "the leader is missed, and this server hosts the log"
	}
	rank := 0
	for _, o := range v.Others {
		if strings.Compare(o.Server, v.Self) < 0 {
			rank++
		}
	}
	wait := HostWait + time.Duration(rank)*HostWaitRank
	if time.Duration(v.Now-missedSince) < wait {
		return ""
	}
	return "the leader is missed, and the host of the log has not campaigned"
}
