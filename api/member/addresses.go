package member

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// DefaultAddrLabel is the label of a node that says where it takes requests of
// others, as host:port or as a URL.
const DefaultAddrLabel = "addr"

// addresses are the labels of nodes, as the table of peers has them. The last good
// ones stay while no server answers (V1).
type addresses struct {
	mu       sync.Mutex
	wanted   bool // asked for, be it before the member runs
	followed bool
	labels   atomic.Pointer[map[string]map[string]string] // by node
}

// of is the label of a node; false while none is known.
func (a *addresses) of(node, label string) (string, bool) {
	all := a.labels.Load()
	if all == nil {
		return "", false
	}
	addr := (*all)[node][label]
	return addr, addr != ""
}

// followPeers keeps the labels while the member runs.
func (m *Member) followPeers() {
	m.addrs.mu.Lock()
	defer m.addrs.mu.Unlock()
	m.addrs.wanted = true
	if m.addrs.followed {
		return
	}
	m.addrs.followed = m.tasks.spawn(func(ctx context.Context) {
		pauses := waits{min: rewatchMin, max: rewatchMax}
		for ctx.Err() == nil {
			err := m.fillPeers(ctx, pauses.reset)
			if ctx.Err() != nil {
				return
			}
			m.log.Warn("watch of peers ended, it begins anew", "error", err)
			pauses.pause(ctx)
		}
	})
}

// startPeers begins what was asked for before the member ran.
func (m *Member) startPeers() {
	m.addrs.mu.Lock()
	wanted := m.addrs.wanted
	m.addrs.mu.Unlock()
	if wanted {
		m.followPeers()
	}
}

// fillPeers builds the labels from a snapshot on. What is published is never
// written to again.
func (m *Member) fillPeers(ctx context.Context, heard func()) error {
	next, snapshot := map[string]map[string]string{}, true
	for n, err := range m.client.Peers.Watch(ctx, &controlv1.WatchPeersRequest{Bookmarks: true}) {
		if err != nil {
			return err
		}
		switch now, old := n.GetCurrent(), n.GetPrevious(); {
		case now != nil:
			next[now.GetNodeId()] = now.GetLabels()
		case old != nil:
			delete(next, old.GetNodeId())
		default:
			heard()
			if !snapshot {
				continue
			}
			snapshot = false
		}
		if !snapshot {
			all := maps.Clone(next)
			m.addrs.labels.Store(&all)
			m.news.tell()
		}
	}
	return nil
}
