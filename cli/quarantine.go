package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// quarantineVerbs are about shards whose owners die of them.
func quarantineVerbs() []*cli.Command {
	return []*cli.Command{
		verb{name: "unquarantine", usage: "release shards from quarantine, to be placed again", args: "NS/ID…", min: 1, max: -1, flags: mutateFlags(), run: unquarantineShards}.command(),
		verb{name: "quarantine-policy", usage: "show or change when shards are quarantined", run: quarantinePolicy, flags: mutateFlags(
			&cli.IntFlag{Name: "deaths", Usage: "`N` owners in a row that die of a shard are too many, 1 to 10"},
			&cli.DurationFlag{Name: "window", Usage: "`TIME` from an assignment within which a death counts, 1s to 24h"},
			&cli.IntFlag{Name: "max-at-once", Usage: "a death that would quarantine more than `N` shards quarantines none, 1 to 100"},
			&cli.BoolFlag{Name: "disable", Usage: "quarantine nothing"},
			&cli.BoolFlag{Name: "enable", Usage: "quarantine again"},
		)}.command(),
	}
}

func unquarantineShards(c *call) error {
	namespace, ids, err := shardRefs(c.Args().Slice())
	if err != nil {
		return err
	}
	if err := c.confirm("release %s of %s from quarantine?", plural(len(ids), "shard"), namespace); err != nil {
		return err
	}
	r, err := c.client.Shards.Unquarantine(c.ctx, &controlv1.UnquarantineShardsRequest{Namespace: namespace, ShardIds: ids, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, fmt.Sprintf("%s of %s released from quarantine", plural(len(ids), "shard"), namespace))
}

func quarantinePolicy(c *call) error {
	req := &controlv1.SetQuarantinePolicyRequest{Mutation: c.mutation()}
	if c.IsSet("deaths") {
		req.Deaths = proto.Int32(int32(c.Int("deaths")))
	}
	if c.IsSet("window") {
		req.WindowMs = proto.Int64(c.Duration("window").Milliseconds())
	}
	if c.IsSet("max-at-once") {
		req.MaxAtOnce = proto.Int32(int32(c.Int("max-at-once")))
	}
	switch disable, enable := c.Bool("disable"), c.Bool("enable"); {
	case disable && enable:
		return usage("--disable and --enable: give one of the two")
	case disable || enable:
		req.Disabled = proto.Bool(disable)
	}
	if req.Deaths == nil && req.WindowMs == nil && req.MaxAtOnce == nil && req.Disabled == nil {
		return showQuarantinePolicy(c)
	}
	r, err := c.client.Shards.SetQuarantinePolicy(c.ctx, req)
	if err != nil {
		return err
	}
	return c.receipt(r, "quarantine policy set")
}

func showQuarantinePolicy(c *call) error {
	p, err := c.client.Shards.QuarantinePolicy(c.ctx, &controlv1.GetQuarantinePolicyRequest{})
	if err != nil {
		return err
	}
	words := fmt.Sprintf("a shard is quarantined when %d owners in a row die within %s of taking it, unless one death would quarantine more than %s",
		p.GetDeaths(), time.Duration(p.GetWindowMs())*time.Millisecond, plural(int(p.GetMaxAtOnce()), "shard"))
	if p.GetDisabled() {
		words = "nothing is quarantined; otherwise " + words
	}
	if c.out.Format == render.Name {
		words = "quarantine/default"
	}
	return render.Message(c.out, p, words)
}
