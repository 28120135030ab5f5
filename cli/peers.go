package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func peersCommand() *cli.Command {
	filters := []cli.Flag{
		&cli.StringFlag{Name: "role", Usage: "peers of this `ROLE`"},
		&cli.StringFlag{Name: "cluster", Usage: "peers of this `CLUSTER`"},
		&cli.StringFlag{Name: "region", Usage: "peers of this `REGION`"},
		&cli.StringSliceFlag{Name: "status", Usage: "`STATUS[,…]`: alive, suspect, failed, left"},
		&cli.StringSliceFlag{Name: "lifecycle", Usage: "`LIFECYCLE[,…]`: active, cordoned, draining, drained"},
		&cli.StringFlag{Name: "mesh-version", Usage: "peers of this `VERSION`"},
		&cli.StringSliceFlag{Name: "label", Usage: "peers with label `KEY[=VALUE]`; all must match"},
	}
	return &cli.Command{
		Name: "peers", Aliases: []string{"peer"}, Usage: "who is in the mesh",
		Subcommands: []*cli.Command{
			verb{name: "list", usage: "list peers", flags: listFlags(filters...), run: listPeers}.command(),
			verb{name: "get", usage: "show a peer", args: "NODE", min: 1, max: 1, flags: readFlags(), run: getPeer}.command(),
			verb{name: "watch", usage: "show each change of a peer", flags: watchFlags(&cli.StringFlag{Name: "role", Usage: "peers of this `ROLE`"}), run: watchPeers}.command(),
			verb{name: "cordon", usage: "give a node no new shards", args: "NODE…", min: 1, max: -1, flags: mutateFlags(), run: cordonPeers}.command(),
			verb{name: "uncordon", usage: "give a node shards again", args: "NODE…", min: 1, max: -1, flags: mutateFlags(), run: uncordonPeers}.command(),
			drainVerb(),
			verb{name: "cancel-drain", usage: "end a drain; the node keeps what it has not given away", args: "NODE…", min: 1, max: -1, flags: mutateFlags(), run: cancelDrains}.command(),
			verb{name: "label", usage: "set labels, or take them away", args: "NODE KEY=VALUE|KEY-…", min: 2, max: -1, flags: mutateFlags(), run: labelPeer}.command(),
		},
	}
}

func peerView() render.View[*controlv1.Peer] {
	return render.View[*controlv1.Peer]{
		Ref: (*controlv1.Peer).GetNodeId,
		Columns: []render.Column[*controlv1.Peer]{
			{Name: "NODE", Value: (*controlv1.Peer).GetNodeId},
			{Name: "ROLE", Value: (*controlv1.Peer).GetRole},
			{Name: "CLUSTER", Wide: true, Value: func(p *controlv1.Peer) string { return dash(p.GetClusterId()) }},
			{Name: "REGION", Value: func(p *controlv1.Peer) string { return dash(p.GetRegion()) }},
			{Name: "ZONE", Value: func(p *controlv1.Peer) string { return dash(p.GetZone()) }},
			{Name: "STATUS", Value: func(p *controlv1.Peer) string { return v1json.EnumWord(p.GetStatus()) }},
			{Name: "LIFECYCLE", Value: func(p *controlv1.Peer) string { return v1json.EnumWord(p.GetLifecycle()) }},
			{Name: "WEIGHT", Wide: true, Value: func(p *controlv1.Peer) string { return decimal(p.GetWeight()) }},
			{Name: "LABELS", Wide: true, Value: func(p *controlv1.Peer) string { return labels(p.GetLabels()) }},
			{Name: "MESH VERSION", Wide: true, Value: func(p *controlv1.Peer) string { return dash(p.GetMeshVersion()) }},
			{Name: "SESSION", Wide: true, Value: func(p *controlv1.Peer) string { return known(p.GetSessionId()) }},
			{Name: "MAINTENANCE", Wide: true, Value: func(p *controlv1.Peer) string { return dash(p.GetMaintenance()) }},
			{Name: "VERSION", Value: func(p *controlv1.Peer) string { return number(p.GetVersion()) }},
			{Name: "LAST SEEN", Value: func(p *controlv1.Peer) string { return clock(p.GetLastSeen()) }},
		},
	}
}

// peerOf is the row that a notification is about; gone when it left.
func peerOf(n *controlv1.PeerNotification) (row *controlv1.Peer, gone bool) {
	if n.GetCurrent() != nil {
		return n.GetCurrent(), false
	}
	return n.GetPrevious(), true
}

func peerChangeView() render.View[*controlv1.PeerNotification] {
	peer := func(value func(*controlv1.Peer) string) func(*controlv1.PeerNotification) string {
		return func(n *controlv1.PeerNotification) string {
			row, _ := peerOf(n)
			return value(row)
		}
	}
	return render.View[*controlv1.PeerNotification]{
		Ref: peer((*controlv1.Peer).GetNodeId),
		Columns: []render.Column[*controlv1.PeerNotification]{
			{Name: "POSITION", Value: func(n *controlv1.PeerNotification) string { return known(n.GetEventPosition()) }},
			{Name: "EVENT", Width: 16, Value: func(n *controlv1.PeerNotification) string {
				if n.GetEvent() == "" && n.GetPrevious() == nil {
					return "snapshot"
				}
				return dash(n.GetEvent())
			}},
			{Name: "NODE", Value: peer((*controlv1.Peer).GetNodeId)},
			{Name: "STATUS", Value: func(n *controlv1.PeerNotification) string {
				row, gone := peerOf(n)
				if gone {
					return "gone"
				}
				return v1json.EnumWord(row.GetStatus())
			}},
			{Name: "LIFECYCLE", Value: peer(func(p *controlv1.Peer) string { return v1json.EnumWord(p.GetLifecycle()) })},
			{Name: "REASON", Value: (*controlv1.PeerNotification).GetReason},
		},
	}
}

func listPeers(c *call) error {
	req := &controlv1.ListPeersRequest{
		Role: c.String("role"), ClusterId: c.String("cluster"), Region: c.String("region"), MeshVersion: c.String("mesh-version"),
		Labels: c.StringSlice("label"), PageToken: c.String("page-token"), OrderBy: c.String("order-by"),
	}
	var err error
	if req.Statuses, err = enums[controlv1.PeerStatus]("status", controlv1.PeerStatus(0).Descriptor(), c.StringSlice("status")); err != nil {
		return err
	}
	if req.Lifecycles, err = enums[controlv1.PeerLifecycle]("lifecycle", controlv1.PeerLifecycle(0).Descriptor(), c.StringSlice("lifecycle")); err != nil {
		return err
	}
	if req.Read, err = c.readOptions(time.Now()); err != nil {
		return err
	}
	if req.PageSize, err = c.pageSize(); err != nil {
		return err
	}
	if c.Bool("watch") {
		return watchPeersLike(c, req)
	}
	get := c.client.Peers.Collect
	if req.PageSize > 0 {
		get = c.client.Peers.List
	}
	page, err := get(c.ctx, req)
	if err != nil {
		return err
	}
	return render.List(c.out, peerView(), page.Items, page.Position, page.Next)
}

// watchPeersLike watches with a list's filters. The feed knows only the role.
func watchPeersLike(c *call, req *controlv1.ListPeersRequest) error {
	for _, flag := range []string{"cluster", "region", "status", "lifecycle", "mesh-version", "label"} {
		if c.IsSet(flag) {
			return usage("--watch of peers does not go with --%s (allowed: --role)", flag)
		}
	}
	if err := c.checkLive(); err != nil {
		return err
	}
	return watchPeersFrom(c, &controlv1.WatchPeersRequest{Role: req.GetRole()})
}

func watchPeers(c *call) error {
	after, err := c.resumeToken()
	if err != nil {
		return err
	}
	return watchPeersFrom(c, &controlv1.WatchPeersRequest{Role: c.String("role"), ResumeToken: after})
}

func watchPeersFrom(c *call, req *controlv1.WatchPeersRequest) error {
	return live(c, peerChangeView(), peerView(), c.client.Peers.Watch(c.feed, req), func(n *controlv1.PeerNotification) (change[*controlv1.Peer], bool) {
		row, gone := peerOf(n)
		return change[*controlv1.Peer]{key: row.GetNodeId(), row: row, gone: gone}, true
	})
}

func getPeer(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	peer, err := c.client.Peers.Get(c.ctx, &controlv1.GetPeerRequest{NodeId: c.Args().First(), Read: read})
	if err != nil {
		return err
	}
	return render.Record(c.out, peerView(), peer)
}

func cordonPeers(c *call) error {
	return c.each(func(node string, m *controlv1.Mutation) (*controlv1.Receipt, string, error) {
		r, err := c.client.Peers.Cordon(c.ctx, &controlv1.CordonPeerRequest{NodeId: node, Mutation: m})
		return r, node + " cordoned", err
	})
}

func uncordonPeers(c *call) error {
	return c.each(func(node string, m *controlv1.Mutation) (*controlv1.Receipt, string, error) {
		r, err := c.client.Peers.Uncordon(c.ctx, &controlv1.UncordonPeerRequest{NodeId: node, Mutation: m})
		return r, node + " uncordoned", err
	})
}

// each does a mutation for every argument, one decision each; it ends with the
// first that fails.
func (c *call) each(do func(arg string, m *controlv1.Mutation) (*controlv1.Receipt, string, error)) error {
	args := c.Args().Slice()
	if len(args) > 1 && c.IsSet("idempotency-key") {
		return usage("--idempotency-key is for one command, and here are %s: give one argument", plural(len(args), "argument"))
	}
	if len(args) > 1 && c.IsSet("if-version") {
		return usage("--if-version is the version of one record, and here are %s: give one argument", plural(len(args), "argument"))
	}
	for _, arg := range args {
		r, done, err := do(arg, c.mutation())
		if err != nil {
			return err
		}
		if err := c.receipt(r, done); err != nil {
			return err
		}
	}
	return nil
}

func labelPeer(c *call) error {
	node := c.Args().First()
	set, err := pairs(c.Args().Tail(), true)
	if err != nil {
		return err
	}
	r, err := c.client.Peers.Update(c.ctx, &controlv1.UpdatePeerRequest{NodeId: node, Labels: set, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, node+" labelled "+strings.Join(c.Args().Tail(), " "))
}

// watchFlags are for feeds that can be resumed.
func watchFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "resume", Usage: "go on after position `P`, without a snapshot"},
	}, more...)
}

func (c *call) resumeToken() (int64, error) {
	if !c.IsSet("resume") {
		return 0, nil
	}
	return parsePosition("--resume", c.String("resume"))
}
