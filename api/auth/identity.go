package auth

import (
	"context"
	"net/http"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Identity is who calls.
type Identity struct {
	// Actor as it stands in events: "node/<id>", "user/<id>", "local/<OS user>".
	Actor string
	// Asserted: the caller named itself, rather than being known by default. A
	// call of an agent that is not asserted is then the node's that it is about.
	Asserted bool
	// Rank is the highest of the scopes read to admin that is held; unspecified
	// is none.
	Rank controlv1.Scope
	// Member: may act as a node; NodeID is the only one, empty is any.
	Member bool
	NodeID string
}

// Allows reports whether the identity may use an RPC of a scope.
// SCOPE_PER_COMMAND lets everybody in: each command is asked for by itself.
func (id Identity) Allows(scope controlv1.Scope) bool {
	switch scope {
	case controlv1.Scope_SCOPE_UNSPECIFIED:
		return false
	case controlv1.Scope_SCOPE_MEMBER:
		return id.Member
	case controlv1.Scope_SCOPE_PER_COMMAND:
		return true
	}
	return scope <= id.Rank
}

// MayActAs reports whether the identity may act as a node.
func (id Identity) MayActAs(node string) bool {
	return id.Member && (id.NodeID == "" || id.NodeID == node)
}

// ScopeName is how a scope is written for people: "mesh.operate".
func ScopeName(scope controlv1.Scope) string {
	switch scope {
	case controlv1.Scope_SCOPE_READ:
		return "mesh.read"
	case controlv1.Scope_SCOPE_OBSERVE:
		return "mesh.observe"
	case controlv1.Scope_SCOPE_OPERATE:
		return "mesh.operate"
	case controlv1.Scope_SCOPE_ADMIN:
		return "mesh.admin"
	case controlv1.Scope_SCOPE_MEMBER:
		return "mesh.member"
	}
	return "none"
}

// Authenticator finds the identity behind a call. The error is an [*Error].
type Authenticator interface {
	Authenticate(ctx context.Context, header http.Header) (Identity, error)
}

// Error says why there is no identity, and where the fault is.
type Error struct {
	// Header at fault, and what is allowed there.
	Header, Problem, Allowed string
}

func (e *Error) Error() string {
	return "header " + e.Header + " " + e.Problem + " (allowed: " + e.Allowed + ")"
}
