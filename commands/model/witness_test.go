package model_test

import (
	"fmt"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// witness is a second, dumb model: maps of single rows, without sharing, counts
// or packing. It fails the test when an event on the log breaks an invariant,
// and is compared with the model after each frame.
type witness struct {
	back       map[string]release
	t          *rapid.T
	nodes      map[string]*node
	namespaces map[string]*namespace
	holders    map[string]holder
	// terms and fences are the last of each scope and shard, for ever.
	terms, fences map[string]events.Position
	sealed        bool

	deaths    deaths
	schedules map[string]*dues
}

type node struct {
	role      string
	session   events.Position
	lifecycle membership.Lifecycle
	window    string
	left      bool
	lost      eventsv1.ServerLossCause
	closing   eventsv1.SessionCloseCause
	// secret is that of the last session, directory the first of those in a row that
	// had it.
	secret    string
	directory events.Position
}

type namespace struct {
	spec     *eventsv1.NamespaceSpec
	deleting bool
	shards   []row
}

// row is what of a shard others may rely on.
type row struct {
	Owner          string
	Session, Fence events.Position
	MoveTo         string
	// Preparing: a release is not yet asked for (S7).
	Preparing      bool
	Paused, Silent bool
	Cause          eventsv1.ShardCause // of its move
	Version        uint64
	// Readers is "node session" lines, ascending.
	Readers string
}

// release is who released a shard last, and the end of that decision.
type release struct {
	node     string
	decision events.Position
}

type holder struct {
	Node          string
	Session, Term events.Position
}

func newWitness(t *rapid.T) *witness {
	return &witness{t: t, nodes: map[string]*node{}, namespaces: map[string]*namespace{}, holders: map[string]holder{},
		terms: map[string]events.Position{}, fences: map[string]events.Position{}, back: map[string]release{},
		deaths: newDeaths(), schedules: map[string]*dues{}}
}

func (w *witness) must(ok bool, r events.Recorded, format string, args ...any) {
	if !ok {
		w.t.Fatalf("position %d, %s: %s", r.Position, events.TypeOf(r.Event), fmt.Sprintf(format, args...))
	}
}

func (w *witness) see(r events.Recorded) {
	w.seeSeal(r)
	w.seeDeaths(r)
	w.seeSchedules(r)
	w.seeNode(r)
	w.seeLeadership(r)
	w.seeNamespace(r)
	w.seeShards(r)
}

// seeSeal: on a sealed log there is nothing but its end and the control leader.
func (w *witness) seeSeal(r events.Recorded) {
	lead := r.Event.GetLeadershipGranted().GetScope() + r.Event.GetLeadershipExpired().GetScope()
	w.must(!w.sealed || r.Event.GetLogResumed() != nil || lead == events.GlobalScope, r, "the log is sealed")
	switch r.Event.Kind.(type) {
	case *eventsv1.Event_LogSealed:
		w.sealed = true
	case *eventsv1.Event_LogResumed:
		w.must(w.sealed, r, "the log is not sealed")
		w.sealed = false
	}
}

func (w *witness) node(id string) *node {
	if w.nodes[id] == nil {
		w.nodes[id] = &node{}
	}
	return w.nodes[id]
}

func (w *witness) seeNode(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_NodeJoined:
		n := w.node(e.NodeJoined.Node.NodeId)
		n.role, n.left, n.lost = e.NodeJoined.Node.Role, false, 0
	case *eventsv1.Event_NodeUpdated:
		w.node(e.NodeUpdated.Node.NodeId).role = e.NodeUpdated.Node.Role
	case *eventsv1.Event_NodeLeft:
		n := w.node(e.NodeLeft.NodeId)
		w.must(n.session == 0, r, "leaves with session %d", n.session)
		n.left = true
	case *eventsv1.Event_NodeCordoned:
		n := w.node(e.NodeCordoned.NodeId)
		w.must(n.lifecycle == membership.Active || e.NodeCordoned.Window != "" || n.window != "", r, "is cordoned as %+v", *n)
		n.lifecycle, n.window = membership.Cordoned, e.NodeCordoned.Window
	case *eventsv1.Event_NodeUncordoned:
		n := w.node(e.NodeUncordoned.NodeId)
		w.must(n.lifecycle == membership.Cordoned || n.lifecycle == membership.Drained, r, "is uncordoned as %+v", *n)
		n.lifecycle, n.window = membership.Active, ""
	case *eventsv1.Event_NodeDrainStarted:
		n := w.node(e.NodeDrainStarted.NodeId)
		w.must(n.lifecycle != membership.Drained || e.NodeDrainStarted.Window != "", r, "is drained, as %+v", *n)
		n.lifecycle, n.window = membership.Draining, e.NodeDrainStarted.Window
	case *eventsv1.Event_NodeDrainCancelled:
		n := w.node(e.NodeDrainCancelled.NodeId)
		w.must(n.lifecycle == membership.Draining, r, "is drained no more, as %+v", *n)
		n.lifecycle, n.window = membership.Active, ""
	case *eventsv1.Event_NodeDrained:
		w.drained(r, e.NodeDrained.NodeId)
	case *eventsv1.Event_NodeDrainStalled:
		n := w.node(e.NodeDrainStalled.NodeId)
		w.must(n.lifecycle == membership.Draining, r, "stalls as %+v", *n)
	case *eventsv1.Event_ServerLost:
		n := w.node(e.ServerLost.NodeId)
		w.must(n.role == "server" && !n.left && n.lost < e.ServerLost.Cause, r, "is lost (%s) as %+v", e.ServerLost.Cause, *n)
		n.lost = e.ServerLost.Cause
	case *eventsv1.Event_ServerReturned:
		n := w.node(e.ServerReturned.NodeId)
		w.must(n.role == "server" && n.lost != 0, r, "returns as %+v", *n)
		n.lost = 0
	case *eventsv1.Event_SessionOpened:
		n := w.node(e.SessionOpened.NodeId)
		w.must(n.session == 0, r, "opens beside session %d", n.session)
		if secret := string(e.SessionOpened.SecretHash); secret != n.secret {
			n.secret, n.directory = secret, r.Position
		}
		n.session = r.Position
	case *eventsv1.Event_SessionClosing:
		n := w.node(e.SessionClosing.NodeId)
		w.must(n.session == events.Position(e.SessionClosing.Session) && n.session != 0 && n.closing == 0, r, "closing %d as %+v", e.SessionClosing.Session, *n)
		n.closing = e.SessionClosing.Cause
	case *eventsv1.Event_SessionClosed:
		n := w.node(e.SessionClosed.NodeId)
		w.must(n.session != 0 && n.session == events.Position(e.SessionClosed.Session), r, "closes %d, the present one is %d", e.SessionClosed.Session, n.session)
		n.session, n.closing = 0, 0
	}
}

// drained is A7, as far as the log says it.
func (w *witness) drained(r events.Recorded, id string) {
	n := w.node(id)
	w.must(n.lifecycle == membership.Draining, r, "is drained as %+v", *n)
	n.lifecycle = membership.Drained
	for name, ns := range w.namespaces {
		for shard, sh := range ns.shards {
			w.must(sh.Owner != id, r, "owns %s/%d (A7)", name, shard)
		}
	}
	for scope, h := range w.holders {
		w.must(h.Node != id, r, "leads %s (A7)", scope)
	}
}

func (w *witness) seeLeadership(r events.Recorded) {
	end := func(scope, node string, term uint64) {
		h := w.holders[scope]
		w.must(h.Node == node && h.Term == events.Position(term), r, "ends %q term %d, held by %+v", node, term, h)
		delete(w.holders, scope)
	}
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_LeadershipGranted:
		g := e.LeadershipGranted
		_, held := w.holders[g.Scope]
		w.must(!held, r, "%s is held by %+v (L1, L4)", g.Scope, w.holders[g.Scope])
		w.must(r.Position > w.terms[g.Scope], r, "term %d after %d (L2)", r.Position, w.terms[g.Scope])
		if g.Scope != events.GlobalScope {
			n := w.node(g.NodeId)
			w.must(g.Session != 0 && n.session == events.Position(g.Session) && n.lifecycle == membership.Active && n.closing == 0, r, "granted to %+v", *n)
		}
		w.holders[g.Scope] = holder{g.NodeId, events.Position(g.Session), r.Position}
		w.terms[g.Scope] = r.Position
	case *eventsv1.Event_LeadershipResigned:
		end(e.LeadershipResigned.Scope, e.LeadershipResigned.NodeId, e.LeadershipResigned.Term)
	case *eventsv1.Event_LeadershipExpired:
		end(e.LeadershipExpired.Scope, e.LeadershipExpired.NodeId, e.LeadershipExpired.Term)
	case *eventsv1.Event_SessionClosed:
		for scope, h := range w.holders {
			if h.Session == events.Position(e.SessionClosed.Session) {
				delete(w.holders, scope)
			}
		}
	}
}

func (w *witness) seeNamespace(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_NamespaceCreated:
		w.must(w.namespaces[e.NamespaceCreated.Namespace] == nil, r, "exists")
		ns := &namespace{spec: e.NamespaceCreated.Spec}
		ns.grow()
		w.namespaces[e.NamespaceCreated.Namespace] = ns
	case *eventsv1.Event_NamespaceUpdated:
		ns := w.namespaces[e.NamespaceUpdated.Namespace]
		old := ns.spec
		ns.spec = e.NamespaceUpdated.Spec
		w.must(ns.spec.ShardCount >= old.ShardCount && !ns.deleting, r, "shrinks, or is being deleted")
		if old.StrategyId != ns.spec.StrategyId || old.CapacityHint != ns.spec.CapacityHint || old.Overlap != ns.spec.Overlap {
			ns.each(func(sh *row) {})
		}
		ns.grow()
	case *eventsv1.Event_NamespaceDeleting:
		ns := w.namespaces[e.NamespaceDeleting.Namespace]
		ns.deleting = true
		ns.each(func(sh *row) {
			sh.stay()
			sh.Readers = ""
		})
	case *eventsv1.Event_NamespaceDeleted:
		ns := w.namespaces[e.NamespaceDeleted.Namespace]
		w.must(ns.deleting, r, "is not being deleted")
		for id, sh := range ns.shards {
			w.must(sh.Owner == "", r, "shard %d is owned by %s", id, sh.Owner)
		}
		delete(w.namespaces, e.NamespaceDeleted.Namespace)
	case *eventsv1.Event_SessionClosed:
		for _, ns := range w.namespaces {
			for i := range ns.shards {
				if sh := &ns.shards[i]; sh.Session == events.Position(e.SessionClosed.Session) {
					if ns.endsWith(sh, e.SessionClosed.Cause) {
						sh.Owner, sh.Session = "", 0
					} else {
						sh.Silent = true
					}
					sh.Version++
				}
				if sh := &ns.shards[i]; reads(sh.Readers, e.SessionClosed.NodeId) != "" {
					sh.Readers = unread(sh.Readers, e.SessionClosed.NodeId)
					sh.Version++
				}
			}
		}
	}
}

// endsWith is the table of commands/shard/DESIGN.md, line by line.
func (ns *namespace) endsWith(sh *row, cause eventsv1.SessionCloseCause) bool {
	forced := sh.Cause == eventsv1.ShardCause_SHARD_CAUSE_FORCED
	const expired, left, restarted, taken = 0, 1, 2, 3
	column := map[eventsv1.SessionCloseCause]int{
		eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED: expired, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT: left,
		eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED: restarted, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED: taken,
	}[cause]
	switch {
	case ns.spec.Ownership == eventsv1.Ownership_OWNERSHIP_STICKY:
		return [4]bool{forced, true, forced, forced}[column]
	case ns.spec.OwnershipTtlMs == 0:
		return true
	case ns.spec.Ownership == eventsv1.Ownership_OWNERSHIP_FENCED:
		return [4]bool{forced, true, true, forced}[column]
	}
	return [4]bool{false, true, true, false}[column]
}

func (ns *namespace) grow() {
	for len(ns.shards) < int(ns.spec.ShardCount) {
		ns.shards = append(ns.shards, row{Version: 1})
	}
}

// stay ends a move.
func (sh *row) stay() { sh.MoveTo, sh.Preparing, sh.Cause = "", false, 0 }

// each touches every shard, which raises its version (S4).
func (ns *namespace) each(fn func(*row)) {
	for i := range ns.shards {
		fn(&ns.shards[i])
		ns.shards[i].Version++
	}
}

// compare wants the model to say what the witness saw, and its counts to be
// those of a recount.
func (w *witness) compare(m *model.Model) {
	names := 0
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		names++
		seen := w.namespaces[ns.Name]
		if seen == nil || ns.Deleting != seen.deleting || int(ns.Len()) != len(seen.shards) {
			w.t.Fatalf("namespace %s of %d shards, deleting %v; seen %+v", ns.Name, ns.Len(), ns.Deleting, seen)
		}
		w.compareShards(ns, seen)
		return true
	})
	if names != len(w.namespaces) {
		w.t.Fatalf("%d namespaces, seen %d", names, len(w.namespaces))
	}
	for scope, h := range w.holders {
		if sc, _ := m.Leadership.Scope(scope); (holder{sc.Holder, sc.Session, sc.Term}) != h {
			w.t.Fatalf("%s is led by %+v, seen %+v", scope, sc, h)
		}
	}
	for id, seen := range w.nodes {
		n, _ := m.Membership.Node(id)
		if got := (node{n.Role, n.Session, n.Lifecycle, n.Window, n.Left, n.Lost, n.Closing, seen.secret, n.Directory}); got != *seen {
			w.t.Fatalf("node %s is %+v, seen %+v", id, got, *seen)
		}
	}
}

func (w *witness) compareShards(ns *shard.Namespace, seen *namespace) {
	owned, reading, unowned, moving := map[string]int{}, map[string]int{}, 0, 0
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		got := row{sh.Owner, sh.Session, sh.Fence, sh.MoveTo, sh.MoveStage == eventsv1.MoveStage_MOVE_STAGE_PREPARE, sh.Paused, sh.Silent, sh.MoveCause, sh.Version, string(sh.Readers)}
		sh.Readers.Each(func(node string, _ events.Position) { reading[node]++ })
		if diff := cmp.Diff(seen.shards[id], got); diff != "" {
			w.t.Fatalf("shard %s/%d (-seen +model):\n%s", ns.Name, id, diff)
		}
		if sh.Owner == "" {
			unowned++
			return true
		}
		owned[sh.Owner]++
		if sh.MoveTo != "" {
			moving++
		}
		return true
	})
	if unowned != ns.Unowned() || moving != ns.Moving() {
		w.t.Fatalf("%s counts %d unowned and %d moving, a recount %d and %d", ns.Name, ns.Unowned(), ns.Moving(), unowned, moving)
	}
	for id := range w.nodes {
		if owned[id] != ns.Owned(id) || reading[id] != ns.Reading(id) {
			w.t.Fatalf("%s counts %d of %s, a recount %d", ns.Name, ns.Owned(id), id, owned[id])
		}
	}
}
