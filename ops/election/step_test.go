package election

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at is a view of s1 of three at five seconds: s2 leads and was just heard.
func at() View {
	now := int64(5 * time.Second)
	return View{
		Now: now, Self: "s1", Servers: 3, Eligible: true, Position: 10,
		Leader: "s2", Heard: now - int64(50*time.Millisecond), Routed: true,
		Others: []Other{{Server: "s2", Position: 10}, {Server: "s3", Position: 10}},
	}
}

// gone is the same after s2 was killed; s3 misses it too.
func gone() View {
	v := at()
	v.Heard, v.Routed = v.Now-int64(200*time.Millisecond), false
	v.Others = []Other{{Server: "s3", Misses: true, Position: 10}}
	return v
}

func TestStep(t *testing.T) {
	ago := func(v View, d time.Duration) int64 { return v.Now - int64(d) }
	tests := []struct {
		name  string
		view  func() View
		state State
		want  Action
	}{
		{"the leader is well", at, State{}, Action{}},
		{"silent for less than is allowed", func() View { v := at(); v.Heard = ago(v, MissAfter-1); return v }, State{}, Action{}},
		{"this server alone does not hear it", func() View { v := at(); v.Heard, v.HostsLog = ago(v, MissAfter), true; return v },
			State{}, Action{Misses: true}},
		{"a majority misses it, and this one hosts the log", func() View { v := gone(); v.HostsLog = true; return v },
			State{}, Action{Misses: true, Campaign: true}},
		{"not the host: it waits", gone, State{}, Action{Misses: true}},
		{"not the host, and the host did nothing", gone, State{MissedSince: ago(gone(), HostWait)}, Action{Misses: true, Campaign: true}},
		{"the second in rank waits longer", func() View { v := gone(); v.Self, v.Others[0].Server = "s3", "s1"; return v },
			State{MissedSince: ago(gone(), HostWait)}, Action{Misses: true}},
		{"behind another", func() View { v := gone(); v.HostsLog, v.Others[0].Position = true, 11; return v },
			State{}, Action{Misses: true}},
		{"an older release", func() View { v := gone(); v.HostsLog, v.Eligible = true, false; return v }, State{}, Action{Misses: true}},
		{"it has just campaigned", func() View { v := gone(); v.HostsLog, v.Since = true, ago(v, CampaignEvery-1); return v },
			State{}, Action{Misses: true}},
		{"genesis", func() View { v := gone(); v.Leader, v.Heard, v.HostsLog = "", 0, true; return v }, State{}, Action{Misses: true, Campaign: true}},
		{"started again as the last leader", func() View { v := gone(); v.Leader, v.HostsLog = "s1", true; return v },
			State{}, Action{Misses: true, Campaign: true}},
		{"the leader retires for this one", func() View { v := at(); v.Retiring, v.Successor = true, "s1"; return v },
			State{}, Action{Misses: true, Campaign: true}},
		{"the leader retires for another", func() View { v := at(); v.Retiring, v.Successor, v.HostsLog = true, "s3", true; return v },
			State{}, Action{Misses: true}},
		{"a candidate goes on while the leader is missed", func() View { v := gone(); v.Campaigning, v.Since = true, ago(v, time.Hour); return v },
			State{}, Action{Misses: true}},
		{"a candidate gives up when it is back", func() View { v := at(); v.Campaigning, v.Since = true, ago(v, GiveUpAfter); return v },
			State{}, Action{Withdraw: true}},
		{"a leader whose streams are elsewhere", func() View { v := at(); v.Leading, v.Leader = true, "s1"; return v },
			State{AwaySince: ago(at(), SteerAfter)}, Action{Steer: true}},
		{"a leader that hosts both", func() View { v := at(); v.Leading, v.Leader, v.HostsLog, v.HostsAll = true, "s1", true, true; return v },
			State{AwaySince: ago(at(), SteerAfter)}, Action{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, a := Step(test.state, test.view())
			if a.Campaign != (a.Why != "") {
				t.Errorf("a campaign says why, and nothing else does: %+v", a)
			}
			if a.Why = ""; a != test.want {
				t.Errorf("got %+v, want %+v", a, test.want)
			}
		})
	}
}

// TestStepBounds: whatever a server believes, it campaigns only with a majority
// that misses the leader, or when the leader named it; and never while it leads.
func TestStepBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := View{
			Now: rapid.Int64Range(0, 1<<40).Draw(t, "now"), Self: "s1", Servers: rapid.SampledFrom([]int{3, 5}).Draw(t, "servers"),
			Leading: rapid.Bool().Draw(t, "leading"), Campaigning: rapid.Bool().Draw(t, "campaigning"), Eligible: rapid.Bool().Draw(t, "eligible"),
			HostsLog: rapid.Bool().Draw(t, "hosts"), Leader: rapid.SampledFrom([]string{"", "s1", "s2"}).Draw(t, "leader"),
			Heard: rapid.Int64Range(0, 1<<40).Draw(t, "heard"), Routed: rapid.Bool().Draw(t, "routed"),
			Retiring: rapid.Bool().Draw(t, "retiring"), Successor: rapid.SampledFrom([]string{"", "s1", "s3"}).Draw(t, "successor"),
		}
		missing := 1
		for i := range rapid.IntRange(0, v.Servers-1).Draw(t, "others") {
			o := Other{Server: string(rune('b' + i)), Misses: rapid.Bool().Draw(t, "misses"), Position: rapid.Uint64Range(0, 1).Draw(t, "position")}
			if o.Misses {
				missing++
			}
			v.Others = append(v.Others, o)
		}
		s := State{MissedSince: rapid.Int64Range(0, 1<<40).Draw(t, "missed")}
		_, a := Step(s, v)
		named := v.Retiring && v.Successor == v.Self
		if a.Campaign && (v.Leading || !v.Eligible || !named && (2*missing <= v.Servers || !a.Misses)) {
			t.Fatalf("%+v campaigns: %+v", v, a)
		}
		if v.Leading && a.Misses {
			t.Fatal("a leader misses itself")
		}
	})
}
