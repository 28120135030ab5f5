package auth

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

func TestAllows(t *testing.T) {
	operator := Identity{Rank: controlv1.Scope_SCOPE_OPERATE}
	node := Identity{Member: true, NodeID: "n1"}
	for _, c := range []struct {
		id    Identity
		scope controlv1.Scope
		want  bool
	}{
		{operator, controlv1.Scope_SCOPE_READ, true},
		{operator, controlv1.Scope_SCOPE_OBSERVE, true},
		{operator, controlv1.Scope_SCOPE_OPERATE, true},
		{operator, controlv1.Scope_SCOPE_ADMIN, false},
		{operator, controlv1.Scope_SCOPE_MEMBER, false},
		{operator, controlv1.Scope_SCOPE_UNSPECIFIED, false},
		{operator, controlv1.Scope_SCOPE_PER_COMMAND, true},
		{node, controlv1.Scope_SCOPE_MEMBER, true},
		{node, controlv1.Scope_SCOPE_READ, false},
	} {
		if got := c.id.Allows(c.scope); got != c.want {
			t.Errorf("%+v allows %s: %v, want %v", c.id, ScopeName(c.scope), got, c.want)
		}
	}
	if !node.MayActAs("n1") || node.MayActAs("n2") || operator.MayActAs("n1") {
		t.Error("a node acts for itself alone, and an operator for no node")
	}
}

func TestInsecure(t *testing.T) {
	for _, c := range []struct {
		header, actor string
		asserted, ok  bool
	}{
		{"", "local/ann", false, true},
		{"user/ann", "user/ann", true, true},
		{"user/ann@example.org", "user/ann@example.org", true, true},
		{"node/n-1", "node/n-1", true, true},
		{"local/root", "", false, false},
		{"user/", "", false, false},
		{"user/a b", "", false, false},
		{"ann", "", false, false},
		{"user/" + strings.Repeat("x", 200), "", false, false},
	} {
		h := http.Header{}
		if c.header != "" {
			h.Set(ActorHeader, c.header)
		}
		id, err := Insecure{User: "ann"}.Authenticate(t.Context(), h)
		var bad *Error
		switch {
		case c.ok && (err != nil || id.Actor != c.actor || id.Asserted != c.asserted):
			t.Errorf("%q: %+v, %v", c.header, id, err)
		case !c.ok && !errors.As(err, &bad):
			t.Errorf("%q: accepted as %+v", c.header, id)
		}
	}
}
