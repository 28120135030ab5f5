package membership_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
)

// TestOpenSessionNeedsTheSecret: a higher incarnation alone follows nobody. The
// incarnations differ, so that nothing but the secret can refuse.
func TestOpenSessionNeedsTheSecret(t *testing.T) {
	s := commandtest.New(t, model.New())
	d, _ := worker("n1")
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a"), Incarnation: 1}).ThenDone()
	s.When(membership.OpenSession{Node: d, SecretHash: secret("b"), Incarnation: 2}).ThenRejected("session_exists")
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a"), Incarnation: 2}).ThenDone()
}
