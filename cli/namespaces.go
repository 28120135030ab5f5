package cli

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/cli/render"
)

func namespacesCommand() *cli.Command {
	strategy := &cli.StringFlag{Name: "strategy", Usage: "`STRATEGY`: optimal (when created, if not given), ring, rendezvous, locality"}
	role := &cli.StringFlag{Name: "role", Usage: "`ROLE` of the nodes that may own shards; worker when created, if not given"}
	capacity := &cli.Float64Flag{Name: "capacity-hint", Usage: "`LOAD` of one shard"}
	placed := append([]cli.Flag{strategy, role, capacity,
		&cli.BoolFlag{Name: "overlap", Usage: "while a shard is handed over its old owner may answer reads"},
		&cli.IntFlag{Name: "readers", Usage: "`N` nodes that read each shard beside its owner, 0 to 8"},
		&cli.Float64Flag{Name: "load-bound", Usage: "no node above `X` times the mean, for ring and rendezvous; 0 is no bound"},
	}, ruleFlags()...)
	return &cli.Command{
		Name: "namespaces", Aliases: []string{"namespace", "ns"}, Usage: "sets of shards that are placed together",
		Subcommands: []*cli.Command{
			verb{name: "list", usage: "list namespaces", flags: listFlags(&cli.StringFlag{Name: "search", Usage: "names that contain `TEXT`"}), run: listNamespaces}.command(),
			verb{name: "get", usage: "show a namespace", args: "NAMESPACE", min: 1, max: 1, flags: readFlags(), run: getNamespace}.command(),
			verb{
				name: "create", usage: "make a namespace and its shards", args: "NAMESPACE", min: 1, max: 1, run: createNamespace,
				flags: append(mutateFlags(
					&cli.IntFlag{Name: "shards", Required: true, Usage: "`N` shards, 1 to 1000000, with ids 0 to N-1"},
					&cli.StringFlag{Name: "ownership", Usage: "`MODE`, what an owner may do while no server answers it: lease, also if not given, stops; fenced goes on, another may too, and resources tell them apart by fences; sticky goes on, and silence gives its shards to nobody"},
					&cli.DurationFlag{Name: "ownership-ttl", Usage: "how long ownership goes on after the owner was last answered, `TTL`: the session's time to live, also if not given, to 1h; not with sticky"}), placed...),
			}.command(),
			verb{
				name: "update", usage: "change a namespace", args: "NAMESPACE", min: 1, max: 1, run: updateNamespace,
				flags: append(mutateFlags(&cli.IntFlag{Name: "shards", Usage: "`N` shards, not fewer than now"}), placed...),
			}.command(),
			verb{name: "delete", usage: "delete a namespace, when its owners have released", args: "NAMESPACE", min: 1, max: 1, flags: mutateFlags(), run: deleteNamespace}.command(),
		},
	}
}

func namespaceView() render.View[*controlv1.Namespace] {
	return render.View[*controlv1.Namespace]{
		Ref: (*controlv1.Namespace).GetNamespace,
		Columns: []render.Column[*controlv1.Namespace]{
			{Name: "NAMESPACE", Value: (*controlv1.Namespace).GetNamespace},
			{Name: "SHARDS", Value: func(n *controlv1.Namespace) string { return number(int64(n.GetShardCount())) }},
			{Name: "STRATEGY", Value: (*controlv1.Namespace).GetStrategyId},
			{Name: "OWNERSHIP", Value: func(n *controlv1.Namespace) string { return v1json.EnumWord(n.GetOwnership()) }},
			{Name: "OWNERSHIP TTL", Wide: true, Value: func(n *controlv1.Namespace) string { return ownershipTTL(n.GetOwnershipTtlMs()) }},
			{Name: "ROLE", Value: (*controlv1.Namespace).GetEligibleRole},
			{Name: "STATUS", Value: func(n *controlv1.Namespace) string { return v1json.EnumWord(n.GetStatus()) }},
			{Name: "CAPACITY", Wide: true, Value: func(n *controlv1.Namespace) string { return decimal(n.GetCapacityHint()) }},
			{Name: "OVERLAP", Wide: true, Value: func(n *controlv1.Namespace) string { return strconv.FormatBool(n.GetOverlap()) }},
			{Name: "READERS", Wide: true, Value: func(n *controlv1.Namespace) string { return number(int64(n.GetReaders())) }},
			{Name: "LOAD BOUND", Wide: true, Value: func(n *controlv1.Namespace) string { return decimal(n.GetLoadBound()) }},
			{Name: "RULES", Wide: true, Value: func(n *controlv1.Namespace) string { return rulesText(n.GetRules()) }},
			{Name: "VERSION", Value: func(n *controlv1.Namespace) string { return number(n.GetVersion()) }},
			{Name: "CREATED", Wide: true, Value: func(n *controlv1.Namespace) string { return clock(n.GetCreatedAt()) }},
			{Name: "UPDATED", Wide: true, Value: func(n *controlv1.Namespace) string { return clock(n.GetUpdatedAt()) }},
		},
	}
}

func listNamespaces(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	size, err := c.pageSize()
	if err != nil {
		return err
	}
	req := &controlv1.ListNamespacesRequest{Search: c.String("search"), PageSize: size, PageToken: c.String("page-token"), OrderBy: c.String("order-by"), Read: read}
	if c.Bool("watch") {
		return watchNamespaces(c, req)
	}
	get := c.client.Namespaces.Collect
	if size > 0 {
		get = c.client.Namespaces.List
	}
	page, err := get(c.ctx, req)
	if err != nil {
		return err
	}
	return render.List(c.out, namespaceView(), page.Items, page.Position, page.Next)
}

// watchNamespaces lists, follows the log, and lists again after each event of
// a namespace: namespaces have no feed of their own, and few events.
func watchNamespaces(c *call, req *controlv1.ListNamespacesRequest) error {
	if err := c.checkLive(); err != nil {
		return err
	}
	gone := make(map[*controlv1.Namespace]bool)
	feed := namespaceChanges(c, req, gone)
	return live(c, namespaceView(), namespaceView(), feed, func(n *controlv1.Namespace) (change[*controlv1.Namespace], bool) {
		return change[*controlv1.Namespace]{key: n.GetNamespace(), row: n, gone: gone[n]}, true
	})
}

// namespaceChanges ranges over the namespaces and then over each changed row;
// one that is no more comes a last time, without a status, and is in gone.
func namespaceChanges(c *call, req *controlv1.ListNamespacesRequest, gone map[*controlv1.Namespace]bool) iter.Seq2[*controlv1.Namespace, error] {
	return func(yield func(*controlv1.Namespace, error) bool) {
		shown := make(map[string]*controlv1.Namespace)
		position, ok := listChanged(c, c.ctx, req, shown, gone, yield)
		if !ok {
			return
		}
		for e, err := range c.client.Log.Tail(c.feed, &controlv1.TailRequest{After: proto.Int64(position)}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !strings.HasPrefix(e.GetType(), "Namespace") || e.GetPosition() <= position {
				continue
			}
			req.Read = &controlv1.ReadOptions{MinPosition: max(e.GetDecisionPosition(), e.GetPosition())}
			ctx, cancel := context.WithTimeout(c.feed, c.Duration("timeout"))
			position, ok = listChanged(c, ctx, req, shown, gone, yield)
			cancel()
			if !ok {
				return
			}
		}
	}
}

// listChanged lists, and yields what differs from what was shown.
func listChanged(c *call, ctx context.Context, req *controlv1.ListNamespacesRequest, shown map[string]*controlv1.Namespace, gone map[*controlv1.Namespace]bool, yield func(*controlv1.Namespace, error) bool) (int64, bool) {
	page, err := c.client.Namespaces.Collect(ctx, req)
	if err != nil {
		yield(nil, err)
		return 0, false
	}
	there := make(map[string]bool, len(page.Items))
	for _, n := range page.Items {
		there[n.GetNamespace()] = true
		if before := shown[n.GetNamespace()]; before != nil && before.GetVersion() == n.GetVersion() {
			continue
		}
		shown[n.GetNamespace()] = n
		if !yield(n, nil) {
			return 0, false
		}
	}
	for name, n := range shown {
		if there[name] {
			continue
		}
		delete(shown, name)
		last := proto.CloneOf(n)
		last.Status = controlv1.NamespaceStatus_NAMESPACE_STATUS_UNSPECIFIED
		gone[last] = true
		if !yield(last, nil) {
			return 0, false
		}
		delete(gone, last)
	}
	return page.Position, true
}

func getNamespace(c *call) error {
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	n, err := c.client.Namespaces.Get(c.ctx, &controlv1.GetNamespaceRequest{Namespace: c.Args().First(), Read: read})
	if err != nil {
		return err
	}
	return render.Record(c.out, namespaceView(), n)
}

func createNamespace(c *call) error {
	name := c.Args().First()
	shards, err := shardCount(c)
	if err != nil {
		return err
	}
	req := &controlv1.CreateNamespaceRequest{
		Namespace: name, ShardCount: shards, StrategyId: c.String("strategy"), EligibleRole: c.String("role"),
		CapacityHint: c.Float64("capacity-hint"), OwnershipTtlMs: c.Duration("ownership-ttl").Milliseconds(), Overlap: c.Bool("overlap"),
		LoadBound: c.Float64("load-bound"), Mutation: c.mutation(),
	}
	if req.Readers, err = c.amount("readers"); err != nil {
		return err
	}
	if rules, given, err := c.rules(nil); err != nil {
		return err
	} else if given {
		req.Rules = rules
	}
	if word := c.String("ownership"); word != "" {
		modes, err := enums[controlv1.OwnershipMode]("ownership", controlv1.OwnershipMode(0).Descriptor(), []string{word})
		if err != nil {
			return err
		}
		req.Ownership = modes[0]
	}
	r, err := c.client.Namespaces.Create(c.ctx, req)
	if err != nil {
		return err
	}
	return c.receipt(r, "namespace "+name+" created with "+plural(int(shards), "shard"))
}

// ownershipTTL is - where the session's time to live is meant, or no time.
func ownershipTTL(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}

// shardCount checks only what the wire cannot carry; how many are allowed is
// the server's to say.
func shardCount(c *call) (int32, error) {
	n := c.Int("shards")
	if n < 1 || int(int32(n)) != n {
		return 0, usage("--shards is %d (allowed: 1 to 1000000)", n)
	}
	return int32(n), nil
}

func updateNamespace(c *call) error {
	name := c.Args().First()
	req := &controlv1.UpdateNamespaceRequest{Namespace: name, Mutation: c.mutation()}
	if c.IsSet("shards") {
		n, err := shardCount(c)
		if err != nil {
			return err
		}
		req.ShardCount = proto.Int32(n)
	}
	if c.IsSet("strategy") {
		req.StrategyId = proto.String(c.String("strategy"))
	}
	if c.IsSet("role") {
		req.EligibleRole = proto.String(c.String("role"))
	}
	if c.IsSet("capacity-hint") {
		req.CapacityHint = proto.Float64(c.Float64("capacity-hint"))
	}
	if c.IsSet("overlap") {
		req.Overlap = proto.Bool(c.Bool("overlap"))
	}
	if err := c.updatePlacement(req); err != nil {
		return err
	}
	if proto.Equal(req, &controlv1.UpdateNamespaceRequest{Namespace: name, Mutation: req.Mutation}) {
		return usage("nothing to update (allowed: --shards, --strategy, --role, --capacity-hint, --overlap, --readers, --load-bound, and rules: --require, --spread and more)")
	}
	r, err := c.client.Namespaces.Update(c.ctx, req)
	if err != nil {
		return err
	}
	return c.receipt(r, "namespace "+name+" updated")
}

// updatePlacement changes single rules of those that there are, and only if they
// still are when the change is decided.
func (c *call) updatePlacement(req *controlv1.UpdateNamespaceRequest) error {
	if c.IsSet("readers") {
		n, err := c.amount("readers")
		if err != nil {
			return err
		}
		req.Readers = proto.Int32(n)
	}
	if c.IsSet("load-bound") {
		req.LoadBound = proto.Float64(c.Float64("load-bound"))
	}
	if _, given, err := c.rules(nil); err != nil || !given {
		return err
	}
	now, err := c.client.Namespaces.Get(c.ctx, &controlv1.GetNamespaceRequest{Namespace: req.Namespace})
	if err != nil {
		return err
	}
	req.Rules, _, err = c.rules(now.GetRules())
	if req.Mutation.GetIfVersion() == 0 {
		req.Mutation.IfVersion = now.GetVersion()
	}
	return err
}

func deleteNamespace(c *call) error {
	name := c.Args().First()
	if err := c.confirm("delete namespace %s with all its shards?", name); err != nil {
		return err
	}
	r, err := c.client.Namespaces.Delete(c.ctx, &controlv1.DeleteNamespaceRequest{Namespace: name, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, "namespace "+name+" is being deleted")
}
