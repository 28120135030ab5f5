package client

import (
	"context"
	"fmt"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Peers is PeerControlService.
type Peers struct {
	c   *Client
	rpc controlv1.PeerControlServiceClient
}

func (p *Peers) lister() lister[controlv1.ListPeersRequest, controlv1.ListPeersResponse, *controlv1.Peer] {
	return lister[controlv1.ListPeersRequest, controlv1.ListPeersResponse, *controlv1.Peer]{
		rpc:   p.rpc.ListPeers,
		token: func(q *controlv1.ListPeersRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ListPeersResponse) Page[*controlv1.Peer] {
			return Page[*controlv1.Peer]{Items: r.GetPeers(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// List reads one page.
func (p *Peers) List(ctx context.Context, req *controlv1.ListPeersRequest) (*Page[*controlv1.Peer], error) {
	return p.lister().page(ctx, p.c, req)
}

// Collect reads all pages.
func (p *Peers) Collect(ctx context.Context, req *controlv1.ListPeersRequest) (*Page[*controlv1.Peer], error) {
	return p.lister().collect(ctx, p.c, req)
}

// All ranges over all pages.
func (p *Peers) All(ctx context.Context, req *controlv1.ListPeersRequest) iter.Seq2[*controlv1.Peer, error] {
	return p.lister().all(ctx, p.c, req)
}

// Get reads one peer.
func (p *Peers) Get(ctx context.Context, req *controlv1.GetPeerRequest) (*controlv1.Peer, error) {
	return read(ctx, p.c, p.rpc.GetPeer, req)
}

// Watch ranges over the peers as they are and then over every change, until
// ctx ends or the loop breaks.
func (p *Peers) Watch(ctx context.Context, req *controlv1.WatchPeersRequest) iter.Seq2[*controlv1.PeerNotification, error] {
	w := &watch[controlv1.PeerNotification]{
		c: p.c,
		open: func(ctx context.Context, resume int64, header headers) (*connect.ServerStreamForClient[controlv1.PeerNotification], error) {
			own := proto.CloneOf(req)
			own.ResumeToken, own.Bookmarks = resume, true
			r := connect.NewRequest(own)
			header(r)
			return p.rpc.WatchPeers(ctx, r)
		},
		look:      lookPeer,
		bookmarks: req.GetBookmarks(),
		gone: func(n *controlv1.PeerNotification) *controlv1.PeerNotification {
			return &controlv1.PeerNotification{Position: n.GetPosition(), Previous: n.GetCurrent()}
		},
	}
	return w.all(ctx, req.GetResumeToken())
}

func lookPeer(n *controlv1.PeerNotification) note {
	row := n.GetCurrent()
	if row == nil {
		row = n.GetPrevious()
	}
	return note{
		resume: n.GetPosition(), row: row.GetNodeId(), version: row.GetVersion(),
		change:   fmt.Sprintf("%d %s", n.GetEventPosition(), row.GetNodeId()),
		snapshot: n.GetEventPosition() == 0 && n.GetCurrent() != nil && n.GetPrevious() == nil, bookmark: row == nil,
	}
}

// Cordon takes no new shards to a node.
func (p *Peers) Cordon(ctx context.Context, req *controlv1.CordonPeerRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, p.c, p.rpc.CordonPeer, req)
	return res.GetReceipt(), err
}

// Uncordon takes new shards to a node again.
func (p *Peers) Uncordon(ctx context.Context, req *controlv1.UncordonPeerRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, p.c, p.rpc.UncordonPeer, req)
	return res.GetReceipt(), err
}

// Drain makes a node give away what it has.
func (p *Peers) Drain(ctx context.Context, req *controlv1.DrainPeerRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, p.c, p.rpc.DrainPeer, req)
	return res.GetReceipt(), err
}

// CancelDrain makes a draining node active again.
func (p *Peers) CancelDrain(ctx context.Context, req *controlv1.CancelDrainPeerRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, p.c, p.rpc.CancelDrainPeer, req)
	return res.GetReceipt(), err
}

// Update changes labels and weight of a node.
func (p *Peers) Update(ctx context.Context, req *controlv1.UpdatePeerRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, p.c, p.rpc.UpdatePeer, req)
	return res.GetReceipt(), err
}
