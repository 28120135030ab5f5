package rebinder

import (
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// Rebinder is the controller.
type Rebinder struct{}

// New returns a rebinder.
func New() Rebinder { return Rebinder{} }

// Name implements the loop's controller.
func (Rebinder) Name() string { return "rebinder" }

// Step implements the loop's controller.
func (Rebinder) Step(v sequencer.View, _ sequencer.Now) ([]commands.Command, time.Duration) {
	var cmds []commands.Command
	v.Model.Shard.EachSilent(func(ns *shard.Namespace, node string, from events.Position) bool {
		if heir := v.Model.Heir(node, from); heir != 0 && !ns.Deleting {
			cmds = append(cmds, rebinds(ns, node, from, heir)...)
		}
		return true
	})
	return cmds, time.Minute
}

func rebinds(ns *shard.Namespace, node string, from, heir events.Position) []commands.Command {
	ids := slices.DeleteFunc(ns.SilentShards(node, from), func(id uint32) bool {
		return ns.Shard(id).Forced() || ns.Shard(id).Quarantined()
	})
	var cmds []commands.Command
	for part := range slices.Chunk(ids, events.MaxAssigned) {
		cmds = append(cmds, shard.Rebind{Namespace: ns.Name, NodeID: node, From: from, Session: heir, Shards: part})
	}
	return cmds
}
