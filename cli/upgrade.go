package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// Defaults of the waits of an upgrade.
const (
	defaultRejoinWithin  = 10 * time.Minute
	defaultHealthyWithin = 5 * time.Minute
)

func upgradeCommand() *cli.Command {
	return &cli.Command{
		Name: "upgrade", Usage: "renew nodes batch by batch, without an unowned shard",
		Subcommands: []*cli.Command{verb{
			name: "run", usage: "drain a batch, have it upgraded, open it again, next; run again it goes on where it stopped", run: runUpgrade,
			flags: []cli.Flag{
				&cli.StringFlag{Name: "batch", Value: "10%", Usage: "`SIZE` of a batch: nodes, or a share of them as 10%; at least one node"},
				&cli.StringFlag{Name: "role", Usage: "nodes of this `ROLE`; all but servers if not given"},
				&cli.StringSliceFlag{Name: "label", Usage: "nodes with label `KEY[=VALUE]`; all must match"},
				&cli.StringFlag{Name: "hook", Usage: "`COMMAND` that upgrades the node OMNIRELAY_NODE_ID, run by sh; without it the operator is asked to"},
				&cli.StringFlag{Name: "target-version", Usage: "mesh `VERSION` that a node must come back with; nodes that have it are passed over"},
				deadlineFlag(),
				&cli.DurationFlag{Name: "rejoin-within", Value: defaultRejoinWithin, Usage: "`TIME` for the hook, and then for the node's new session"},
				&cli.DurationFlag{Name: "wait-healthy", Value: defaultHealthyWithin, Usage: "`TIME` until no shard is unowned or moving, before the first and after each batch"},
				&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
				&cli.BoolFlag{Name: "dry-run", Usage: "show the batches, do nothing"},
				&cli.StringFlag{Name: "reason", Usage: "`WHY`, kept in the log"},
				&cli.StringFlag{Name: "ticket", Usage: "change `TICKET`, kept in the log"},
			},
		}.command()},
	}
}

// upgradeNode is a node on its way through an upgrade.
type upgradeNode struct {
	id, place string
	// session that it had when it was first looked at, 0 without one.
	session  int64
	cordoned bool // by an operator, and will be again
	drained  bool
	renewed  bool // it has the target version, and only waits to be opened
}

// upgradePlan is what there is to do.
type upgradePlan struct {
	batches [][]*upgradeNode
	// skipped have the target version, absent are neither alive nor drained.
	skipped, absent []string
}

// left are the ids of the nodes of the batches from one on.
func (p *upgradePlan) left(from int) []string {
	var ids []string
	for _, b := range p.batches[from:] {
		ids = append(ids, idsOf(b)...)
	}
	return ids
}

func idsOf(batch []*upgradeNode) []string {
	ids := make([]string, len(batch))
	for i, n := range batch {
		ids[i] = n.id
	}
	return ids
}

// batchSize reads --batch: never more than was asked for, and at least one.
func batchSize(s string, nodes int) (int, error) {
	number, share := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 1 || share && n > 100:
		return 0, usage("--batch: %q is no size (allowed: a number of nodes, or a share of them from 1%% to 100%%)", s)
	case share:
		return max(1, nodes*n/100), nil
	}
	return n, nil
}

// planUpgrade puts nodes into batches: those that are drained already first, so that
// a run that was stopped goes on with them, then place by place, so that a batch
// touches as few zones as can be.
func planUpgrade(peers []*controlv1.Peer, batch, target string) (*upgradePlan, error) {
	p := &upgradePlan{}
	var nodes []*upgradeNode
	for _, peer := range peers {
		id, current := peer.GetNodeId(), target != "" && peer.GetMeshVersion() == target
		drained := peer.GetLifecycle() == controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINED
		draining := peer.GetLifecycle() == controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINING
		alive := peer.GetStatus() == controlv1.PeerStatus_PEER_STATUS_ALIVE
		switch {
		case peer.GetRole() == "server":
		case current && !drained:
			p.skipped = append(p.skipped, id)
		case !alive && !drained && !draining:
			p.absent = append(p.absent, id)
		default:
			nodes = append(nodes, &upgradeNode{
				id: id, place: peer.GetRegion() + "/" + peer.GetZone(), session: peer.GetSessionId(), drained: drained, renewed: current && alive,
				cordoned: peer.GetLifecycle() == controlv1.PeerLifecycle_PEER_LIFECYCLE_CORDONED,
			})
		}
	}
	// A share is of all nodes, so that a run that goes on has batches of the same size.
	size, err := batchSize(batch, len(nodes)+len(p.skipped))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(nodes, func(a, b *upgradeNode) int {
		if a.drained != b.drained {
			return map[bool]int{true: -1, false: 1}[a.drained]
		}
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.id, b.id))
	})
	p.batches = slices.Collect(slices.Chunk(nodes, size))
	return p, nil
}

// show prints the plan.
func (p *upgradePlan) show(c *call) error {
	switch c.out.Format {
	case render.JSON, render.YAML:
		batches := make([][]string, len(p.batches))
		for i, b := range p.batches {
			batches[i] = idsOf(b)
		}
		return json.NewEncoder(c.out.W).Encode(map[string]any{"batches": batches, "skipped": list0(p.skipped), "absent": list0(p.absent)})
	}
	var b strings.Builder
	for i, batch := range p.batches {
		fmt.Fprintf(&b, "batch %d of %d: %s\n", i+1, len(p.batches), strings.Join(idsOf(batch), ", "))
	}
	if len(p.batches) == 0 {
		b.WriteString("nothing to upgrade\n")
	}
	if len(p.skipped) > 0 {
		fmt.Fprintf(&b, "have the version already: %s\n", strings.Join(p.skipped, ", "))
	}
	if len(p.absent) > 0 {
		fmt.Fprintf(&b, "not alive, passed over: %s\n", strings.Join(p.absent, ", "))
	}
	_, err := fmt.Fprint(c.out.W, b.String())
	return err
}

// list0 is a list that JSON shows as [] when it is empty.
func list0(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
