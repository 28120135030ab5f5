package policy_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestReasons(t *testing.T) { commandtest.CheckReasons(t) }

func sessionPolicy(version uint64, ttlMs uint32) *eventsv1.PolicySet {
	return &eventsv1.PolicySet{Kind: policy.SessionKind, Name: policy.DefaultName, Version: version,
		Spec: &eventsv1.PolicySet_Session{Session: &eventsv1.SessionPolicy{TtlMs: ttlMs}}}
}

func TestSetSession(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	if got := m.Policy.SessionTTL(); got != policy.DefaultSessionTTL {
		t.Errorf("TTL that was never set is %s", got)
	}
	s.When(policy.SetSession{TTL: 2 * time.Second}).Then(sessionPolicy(1, 2000))
	s.When(policy.SetSession{TTL: 2 * time.Second}).ThenNothing()
	s.When(policy.SetSession{TTL: 3 * time.Second}).Then(sessionPolicy(2, 3000))
	if got := m.Policy.SessionTTL(); got != 3*time.Second {
		t.Errorf("TTL is %s, want 3s", got)
	}
	s.IfVersion(1).When(policy.SetSession{TTL: time.Second}).ThenRejected("version_mismatch")
	s.IfVersion(2).When(policy.SetSession{TTL: time.Second}).Then(sessionPolicy(3, 1000))
}

func TestSetSessionBounds(t *testing.T) {
	for _, ttl := range []time.Duration{0, -time.Second, policy.MinSessionTTL - 1, policy.MaxSessionTTL + 1} {
		commandtest.New(t, model.New()).When(policy.SetSession{TTL: ttl}).ThenInvalid("sessionTtl")
	}
	for _, ttl := range []time.Duration{policy.MinSessionTTL, policy.MaxSessionTTL} {
		commandtest.New(t, model.New()).When(policy.SetSession{TTL: ttl}).ThenDone()
	}
	commandtest.New(t, model.New()).When(policy.SetSession{}).ThenRejected("invalid_field")
}

// TestSetSessionTwice: what the event cannot say does not make the second of
// two equal commands a change.
func TestSetSessionTwice(t *testing.T) {
	s := commandtest.New(t, model.New())
	odd := policy.SetSession{TTL: 1500*time.Millisecond + 300*time.Microsecond}
	s.When(odd).Then(sessionPolicy(1, 1500))
	s.When(odd).ThenNothing()
}

func TestSetQuarantine(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	if got := m.Policy.Quarantine(); got != policy.DefaultQuarantine() || m.Shard.Rule() != ruleOf(m) || ruleOf(m) != shard.DefaultQuarantine() {
		t.Errorf("never set it is %+v, and %+v to shards", got, m.Shard.Rule())
	}
	want := func(version uint64, q *eventsv1.QuarantinePolicy) *eventsv1.PolicySet {
		return &eventsv1.PolicySet{Kind: policy.QuarantineKind, Name: policy.DefaultName, Version: version, Spec: &eventsv1.PolicySet_Quarantine{Quarantine: q}}
	}
	s.When(policy.SetQuarantine{}).ThenNothing()
	s.When(policy.SetQuarantine{Deaths: of(uint32(3))}).Then(want(1, &eventsv1.QuarantinePolicy{Deaths: 3, WindowMs: 600_000, MaxAtOnce: 3}))
	s.When(policy.SetQuarantine{Window: of(time.Hour + 5), Disabled: of(true)}).
		Then(want(2, &eventsv1.QuarantinePolicy{Deaths: 3, WindowMs: 3_600_000, MaxAtOnce: 3, Disabled: true}))
	s.When(policy.SetQuarantine{Window: of(time.Hour)}).ThenNothing()
	s.IfVersion(1).When(policy.SetQuarantine{Disabled: of(false)}).ThenRejected("version_mismatch")
	s.When(policy.SetSession{TTL: time.Minute}).ThenDone()
	if got := m.Policy.Quarantine(); m.Shard.Rule() != ruleOf(m) || got.Deaths != 3 {
		t.Errorf("policy is %+v, and %+v to shards", got, m.Shard.Rule())
	}
	s.When(policy.SetQuarantine{Deaths: of(uint32(0))}).ThenInvalid("deaths")
	s.When(policy.SetQuarantine{Deaths: of(uint32(policy.MaxQuarantineDeaths + 1))}).ThenInvalid("deaths")
	s.When(policy.SetQuarantine{Window: of(policy.MinQuarantineWindow - 1)}).ThenInvalid("windowMs")
	s.When(policy.SetQuarantine{Window: of(policy.MaxQuarantineWindow + time.Second)}).ThenInvalid("windowMs")
	s.When(policy.SetQuarantine{MaxAtOnce: of(uint32(0))}).ThenInvalid("maxAtOnce")
	s.When(policy.SetQuarantine{MaxAtOnce: of(uint32(policy.MaxQuarantineAtOnce + 1))}).ThenInvalid("maxAtOnce")
}

// ruleOf is what shards should know of the policies.
func ruleOf(m *model.Model) shard.Quarantine {
	q := m.Policy.Quarantine()
	return shard.Quarantine{Deaths: q.Deaths, Window: q.Window, MaxAtOnce: q.MaxAtOnce, Disabled: q.Disabled, TTL: m.Policy.SessionTTL()}
}

func of[T any](v T) *T { return &v }
