package policy_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
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
