package node

import (
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/ops/drainer"
)

// drainProgress is what the API shows of a drain. The state on the log every server
// knows; what the node itself holds only the control leader has heard.
func (s *server) drainProgress(node string) *controlv1.DrainProgress {
	m := s.seq.View().Model
	if m == nil {
		return nil
	}
	n, ok := m.Membership.Node(node)
	if !ok || n.Lifecycle != membership.Draining {
		return nil
	}
	p := drainer.Look(m, n, s.keeper, s.opts.Clock().Wall)
	out := &controlv1.DrainProgress{
		Shards: int64(p.Shards), Moving: int64(p.Moving), Readings: int64(p.Readings), Leaderships: int64(p.Leaderships), MoreBlockers: int64(p.MoreBlockers),
	}
	if p.Heard {
		out.InFlight = proto.Int64(int64(p.InFlight))
	}
	for _, b := range p.Blockers {
		out.Blockers = append(out.Blockers, &controlv1.DrainBlocker{Kind: b.Kind, Reference: b.Reference, Reason: b.Reason, Detail: b.Detail})
	}
	return out
}
