package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// ActorHeader is where a caller of an insecure server names itself.
const ActorHeader = "X-Mesh-Actor"

// maxActor is the greatest length of an actor in bytes.
const maxActor = 160

// Insecure believes what callers say: for servers that listen on loopback alone.
// Everybody may do everything.
type Insecure struct {
	// User of the operating system, for those who say nothing.
	User string
}

// Authenticate implements [Authenticator].
func (i Insecure) Authenticate(_ context.Context, header http.Header) (Identity, error) {
	id := Identity{Rank: controlv1.Scope_SCOPE_ADMIN, Member: true}
	name := header.Get(ActorHeader)
	if name == "" {
		id.Actor = "local/" + i.User
		if i.User == "" {
			id.Actor = "local/unknown"
		}
		return id, nil
	}
	if !validActor(name) {
		return Identity{}, &Error{
			Header: ActorHeader, Problem: fmt.Sprintf("is %.80q, which is no actor", name),
			Allowed: "user/<id> or node/<id>, the id being of a-z A-Z 0-9 . _ - @",
		}
	}
	id.Actor, id.Asserted = name, true
	return id, nil
}

func validActor(name string) bool {
	kind, id, ok := strings.Cut(name, "/")
	if !ok || (kind != "user" && kind != "node") || id == "" || len(name) > maxActor {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '-', c == '@':
		default:
			return false
		}
	}
	return true
}
