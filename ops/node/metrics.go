package node

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// maxLabelled bounds the namespaces that have a label of their own, the first
// by name; the others are counted together.
const maxLabelled = 200

// otherNamespaces is the label of those beyond the bound.
const otherNamespaces = "(others)"

// census counts shards by namespace, from the newest view, when it is asked.
type census struct {
	view func() sequencer.View
	desc *prometheus.Desc
}

func newCensus(view func() sequencer.View) *census {
	return &census{view: view, desc: prometheus.NewDesc("mesh_shards",
		"Shards by namespace and status: owned, moving (owned, and asked to go elsewhere), unowned, quarantined (unowned until an operator releases them).", []string{"namespace", "status"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *census) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect implements prometheus.Collector.
func (c *census) Collect(out chan<- prometheus.Metric) {
	type counts struct{ owned, moving, unowned, quarantined int }
	var others counts
	n := 0
	send := func(name string, x counts) {
		for _, s := range []struct {
			status string
			n      int
		}{{"owned", x.owned}, {"moving", x.moving}, {"unowned", x.unowned}, {"quarantined", x.quarantined}} {
			out <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(s.n), name, s.status)
		}
	}
	c.view().Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		x := counts{moving: ns.Moving(), unowned: ns.Unowned() - ns.Quarantined(), quarantined: ns.Quarantined()}
		x.owned = int(ns.Len()) - x.moving - x.unowned - x.quarantined
		if n++; n <= maxLabelled {
			send(ns.Name, x)
			return true
		}
		others.owned, others.moving = others.owned+x.owned, others.moving+x.moving
		others.unowned, others.quarantined = others.unowned+x.unowned, others.quarantined+x.quarantined
		return true
	})
	if n > maxLabelled {
		send(otherNamespaces, others)
	}
}

// changes counts what the decisions of this run changed. It is a listener of
// the projections.
type changes struct {
	moves       *prometheus.CounterVec
	transitions *prometheus.CounterVec
	labelled    map[string]bool // of the projector's goroutine alone
	since       int64           // Unix nanoseconds: what was stored before was counted before
}

func newChanges(reg prometheus.Registerer, since int64) *changes {
	c := &changes{
		moves: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mesh_shard_moves_total",
			Help: "Shards that were given to a node, by namespace and cause."}, []string{"namespace", "cause"}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mesh_leadership_transitions_total",
			Help: "Leaderships that were granted, by kind of scope."}, []string{"scope_kind"}),
		labelled: map[string]bool{}, since: since,
	}
	reg.MustRegister(c.moves, c.transitions)
	return c
}

// Wants implements projections.Listener.
func (*changes) Wants() bool { return true }

// Committed implements projections.Listener.
func (c *changes) Committed(commit *projections.Commit) {
	for _, d := range commit.Decisions {
		for _, r := range d.Events {
			if r.Time >= c.since {
				c.count(r.Event)
			}
		}
	}
}

func (c *changes) count(e *eventsv1.Event) {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_ShardsAssigned:
		c.moved(k.ShardsAssigned.GetNamespace(), k.ShardsAssigned.GetCause(), assigned(e))
	case *eventsv1.Event_ShardsHandedOver:
		c.moved(k.ShardsHandedOver.GetNamespace(), k.ShardsHandedOver.GetCause(), assigned(e))
	case *eventsv1.Event_LeadershipGranted:
		c.transitions.WithLabelValues(scopeKind(k.LeadershipGranted.GetScope())).Inc()
	}
}

func (c *changes) moved(namespace string, cause eventsv1.ShardCause, shards int) {
	word := strings.ToLower(strings.TrimPrefix(cause.String(), "SHARD_CAUSE_"))
	c.moves.WithLabelValues(c.label(namespace), word).Add(float64(shards))
}

func (c *changes) label(namespace string) string {
	if !c.labelled[namespace] {
		if len(c.labelled) >= maxLabelled {
			return otherNamespaces
		}
		c.labelled[namespace] = true
	}
	return namespace
}

func scopeKind(scope string) string {
	switch {
	case scope == events.GlobalScope:
		return "global-control"
	case strings.HasPrefix(scope, "shard/"):
		return "shard"
	}
	return "custom"
}
