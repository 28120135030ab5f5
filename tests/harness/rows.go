package harness

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// SameRows checks that every live server shows the same rows as of a position:
// peers, leaders, namespaces, and shards with their versions and checksums (T2,
// T3, S4). What only the control leader knows is not in such reads.
func (g Group) SameRows(position int64) {
	g.c.t.Helper()
	ctx, cancel := context.WithTimeout(g.c.t.Context(), walkWithin)
	defer cancel()
	live := g.Live()
	first, err := rows(ctx, g.c.clients[live[0]-1], position)
	if err != nil {
		g.c.t.Fatalf("read the rows of s%d: %v", live[0], err)
	}
	for _, i := range live[1:] {
		other, err := rows(ctx, g.c.clients[i-1], position)
		if err != nil {
			g.c.t.Fatalf("read the rows of s%d: %v", i, err)
		}
		if err := sameRows(first, other); err != nil {
			g.c.t.Errorf("T2: s%d and s%d differ as of position %d: %v", live[0], i, position, err)
		}
	}
}

// rows are all that a server shows as of a position, in its order.
func rows(ctx context.Context, c *client.Client, position int64) ([]proto.Message, error) {
	read := &controlv1.ReadOptions{AsOfPosition: position}
	var all []proto.Message
	peers, err := c.Peers.Collect(ctx, &controlv1.ListPeersRequest{Read: read, PageSize: 1000})
	if all, err = add(all, peers, err); err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	leaders, err := c.Leaders.Collect(ctx, &controlv1.ListLeadersRequest{Read: read, PageSize: 1000})
	if all, err = add(all, leaders, err); err != nil {
		return nil, fmt.Errorf("leaders: %w", err)
	}
	namespaces, err := c.Namespaces.Collect(ctx, &controlv1.ListNamespacesRequest{Read: read, PageSize: 1000})
	if all, err = add(all, namespaces, err); err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	shards, err := c.Shards.Collect(ctx, &controlv1.ShardListRequest{Read: read, PageSize: 1000})
	if all, err = add(all, shards, err); err != nil {
		return nil, fmt.Errorf("shards: %w", err)
	}
	return all, nil
}

func add[T proto.Message](all []proto.Message, page *client.Page[T], err error) ([]proto.Message, error) {
	if err != nil {
		return nil, err
	}
	for _, item := range page.Items {
		all = append(all, item)
	}
	return all, nil
}

// sameRows says where two lists differ first.
func sameRows(a, b []proto.Message) error {
	for i := range min(len(a), len(b)) {
		if !proto.Equal(a[i], b[i]) {
			return fmt.Errorf("one has %s, the other has %s", prototext.Format(a[i]), prototext.Format(b[i]))
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("one has %d rows, the other has %d", len(a), len(b))
	}
	return nil
}
