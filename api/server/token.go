package server

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strconv"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
)

// pageToken says where the next page begins and of which state it is. It is
// opaque to clients, and not secret.
type pageToken struct {
	// at is the position of the list.
	at events.Position
	// filter is a hash of what the list is of; a token goes on with that alone.
	filter uint64
	// cursor is the place in the list.
	cursor string
}

// tokenVersion is the first byte of a token.
const tokenVersion = 1

func (t pageToken) encode(log events.LogID) string {
	b := append([]byte{tokenVersion}, log[:8]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.at))
	b = binary.BigEndian.AppendUint64(b, t.filter)
	return base64.RawURLEncoding.EncodeToString(append(b, t.cursor...))
}

const tokenHead = 1 + 8 + 8 + 8

// decodeToken reads a token that encode made for the same list. Empty is the
// beginning.
func (s *Server) decodeToken(field, token string, filter uint64) (pageToken, error) {
	if token == "" {
		return pageToken{filter: filter}, nil
	}
	const allowed = "the token of the page before, with the same filters"
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < tokenHead || b[0] != tokenVersion {
		return pageToken{}, badField(field, allowed, "is no page token")
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return pageToken{}, err
	}
	log := v.Mark.LogID
	v.Release()
	if string(b[1:9]) != string(log[:8]) {
		return pageToken{}, logMismatch("the page token is of another log")
	}
	t := pageToken{
		at: events.Position(binary.BigEndian.Uint64(b[9:])), filter: binary.BigEndian.Uint64(b[17:]), cursor: string(b[tokenHead:]),
	}
	if t.filter != filter {
		return pageToken{}, badField(field, allowed, "is of a list with other filters")
	}
	return t, nil
}

// filterHash is the same for two requests that list the same: place, size and
// read options do not count.
func filterHash(msg proto.Message) uint64 {
	switch m := msg.(type) {
	case *controlv1.ShardListRequest:
		msg = &controlv1.ShardListRequest{
			Namespace: m.Namespace, OwnerNodeId: m.OwnerNodeId, Statuses: m.Statuses, Search: m.Search, OrderBy: m.OrderBy,
		}
	case *controlv1.ShardHistoryRequest:
		msg = &controlv1.ShardHistoryRequest{Namespace: m.Namespace, ShardId: m.ShardId}
	case *controlv1.ListPeersRequest:
		msg = &controlv1.ListPeersRequest{
			Role: m.Role, ClusterId: m.ClusterId, Region: m.Region, Statuses: m.Statuses, Lifecycles: m.Lifecycles,
			MeshVersion: m.MeshVersion, Labels: m.Labels, OrderBy: m.OrderBy,
		}
	case *controlv1.ListNamespacesRequest:
		msg = &controlv1.ListNamespacesRequest{Search: m.Search, OrderBy: m.OrderBy}
	case *controlv1.ListSchedulesRequest:
		msg = &controlv1.ListSchedulesRequest{Search: m.Search, Statuses: m.Statuses, OrderBy: m.OrderBy}
	case *controlv1.ScheduleHistoryRequest:
		msg = &controlv1.ScheduleHistoryRequest{Name: m.Name}
	case *controlv1.ListLeadersRequest:
		msg = &controlv1.ListLeadersRequest{Scope: m.Scope, OrderBy: m.OrderBy}
	}
	// A request that came over the wire encodes again.
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	h := fnv.New64a()
	_, _ = h.Write(b) // a hash never fails
	return h.Sum64()
}

func pageSize(asked int32) int {
	if asked == 0 {
		return DefaultPage
	}
	return int(asked)
}

// decodePosition reads the cursor of a list by positions; empty is 0.
func decodePosition(cursor string) (events.Position, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(cursor, 10, 63)
	if err != nil {
		return 0, badField("pageToken", "the token of the page before", "is no page token")
	}
	return events.Position(n), nil
}
