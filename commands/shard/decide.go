package shard

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Nodes is what shard asks the membership context.
type Nodes interface {
	// Assignable is nil if the node may be given shards for this role, and
	// otherwise the rejection that says why not (S3).
	Assignable(node, role string) error
	// Session is the node's present session; 0 without one.
	Session(node string) events.Position
	// Draining reports whether the node gives away what it has.
	Draining(node string) bool
	Sessions
}

// Sessions is what shard asks the membership context of ownerships that outlive
// their session.
type Sessions interface {
	// SessionTTL is the time to live of sessions that are opened now.
	SessionTTL() time.Duration
	// Open reports whether a session is not closed.
	Open(node string, session events.Position) bool
	// Heir is the present session of the node if what the earlier one owned can be in
	// use by nobody but whoever has the present one; 0 otherwise.
	Heir(node string, session events.Position) events.Position
	// Departed reports whether the node left the mesh, with all that the session owned.
	Departed(node string, session events.Position) bool
	// ForceClose is what is logged so that a session of an owner will be closed; none
	// when that is so already.
	ForceClose(node string, session events.Position) []*eventsv1.Event
}

// Decide decides one command of this context.
func (s *State) Decide(meta commands.Meta, cmd commands.Command, nodes Nodes) ([]*eventsv1.Event, error) {
	switch c := cmd.(type) {
	case Create:
		return s.decideCreate(c, nodes)
	case Update:
		return s.decideUpdate(meta, c)
	case Delete:
		return s.decideDelete(meta, c)
	case FinishDelete:
		return s.decideFinishDelete(c)
	case Assign:
		return s.decideAssign(c, nodes)
	case Move:
		return s.decideMove(meta, c, nodes)
	case Rebalance:
		return s.decideRebalance(meta, c, nodes)
	case PlaceReaders:
		return s.decidePlaceReaders(c, nodes)
	case Rebind:
		return s.decideRebind(c, nodes)
	case ExpireOwnership:
		return s.decideExpire(c, nodes)
	case AskRelease:
		return s.decideAskRelease(meta, c, nodes)
	case Release:
		return s.decideRelease(c, nodes)
	case FailMoves:
		return s.decideFailMoves(meta, c)
	case CancelMoves:
		return s.decideCancelMoves(c, nodes)
	case Pause:
		return s.decidePause(c)
	case Resume:
		return s.decideResume(c)
	case Unquarantine:
		return s.decideUnquarantine(c)
	}
	return nil, commands.BadField("command", "a command of shard", "%q is none", cmd.CommandName())
}

// Check refuses a spec with a field that is out of bounds.
func (sp Spec) Check() error {
	if sp.ShardCount < 1 || sp.ShardCount > events.MaxShards {
		return commands.BadField("shardCount", "1 to 1000000", "is %d", sp.ShardCount)
	}
	if !slices.Contains(placement.Names(), sp.Strategy) {
		r := commands.BadField("strategyId", strings.Join(placement.Names(), ", "), "%q is no strategy", sp.Strategy)
		r.Reason = "strategy_unknown"
		return r
	}
	if err := sp.checkOwnership(); err != nil {
		return err
	}
	if err := commands.CheckName("eligibleRole", sp.EligibleRole); err != nil {
		return err
	}
	if math.IsNaN(sp.CapacityHint) || sp.CapacityHint < 0 || sp.CapacityHint > 1e12 {
		return commands.BadField("capacityHint", "0 to 1e12", "is %v", sp.CapacityHint)
	}
	return sp.checkPlacement()
}

func (sp Spec) proto() *eventsv1.NamespaceSpec {
	return &eventsv1.NamespaceSpec{
		ShardCount: sp.ShardCount, StrategyId: sp.Strategy, Ownership: sp.Ownership,
		OwnershipTtlMs: uint32(sp.OwnershipTTL / time.Millisecond),
		EligibleRole:   sp.EligibleRole, CapacityHint: sp.CapacityHint, Overlap: sp.Overlap,
		Rules: rulesProto(sp.Rules), Readers: sp.Readers, LoadBoundPermille: sp.LoadBound,
	}
}

func (sp Spec) withDefaults() Spec {
	if sp.Strategy == "" {
		sp.Strategy = placement.Optimal
	}
	if sp.Ownership == eventsv1.Ownership_OWNERSHIP_UNSPECIFIED {
		sp.Ownership = eventsv1.Ownership_OWNERSHIP_LEASE
	}
	if sp.EligibleRole == "" {
		sp.EligibleRole = DefaultRole
	}
	return sp.tidy()
}

func (s *State) decideCreate(c Create, nodes Nodes) ([]*eventsv1.Event, error) {
	if err := commands.CheckName("namespace", c.Namespace); err != nil {
		return nil, err
	}
	spec := c.Spec.withDefaults()
	if err := spec.Check(); err != nil {
		return nil, err
	}
	if err := spec.checkOutlasts(nodes); err != nil {
		return nil, err
	}
	if ns, ok := s.namespaces.Get(c.Namespace); ok {
		if ns.Deleting {
			return nil, deletingError(ns)
		}
		return nil, commands.Refuse("namespace_exists", "namespace %q exists with %d shards", ns.Name, ns.Len())
	}
	if err := s.room(spec.ShardCount, 0); err != nil {
		return nil, err
	}
	created := &eventsv1.NamespaceCreated{Namespace: c.Namespace, Spec: spec.proto()}
	if last := s.lastVersion(c.Namespace); last > 0 {
		created.Version = last + 1
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: created}}}, nil
}

// room refuses a namespace of count shards, which has some of them already, that
// would be over what all namespaces together may have.
func (s *State) room(count, has uint32) error {
	if left := MaxTotal - s.total; int(count)-int(has) > left {
		return &commands.Rejected{Kind: commands.Exhausted, Reason: "shards_exhausted", Field: "shardCount",
			Message: fmt.Sprintf("all namespaces together have %d shards and may have %d", s.total, MaxTotal),
			Allowed: fmt.Sprintf("at most %d here, or to delete another namespace", int(has)+max(0, left))}
	}
	return nil
}

func deletingError(ns *Namespace) error {
	return commands.Refuse("namespace_deleting", "namespace %q is being deleted", ns.Name)
}

// live returns a namespace that is not being deleted.
func (s *State) live(name string) (*Namespace, error) {
	ns, ok := s.namespaces.Get(name)
	if !ok {
		return nil, commands.Missing("namespace", name)
	}
	if ns.Deleting {
		return nil, deletingError(ns)
	}
	return ns, nil
}

func (s *State) decideUpdate(meta commands.Meta, c Update) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	if err := commands.CheckVersion(meta, "namespace", c.Namespace, ns.Version); err != nil {
		return nil, err
	}
	spec := ns.Spec
	set(&spec.ShardCount, c.ShardCount)
	set(&spec.Strategy, c.Strategy)
	set(&spec.EligibleRole, c.EligibleRole)
	set(&spec.CapacityHint, c.CapacityHint)
	set(&spec.Overlap, c.Overlap)
	set(&spec.Readers, c.Readers)
	set(&spec.LoadBound, c.LoadBound)
	if c.Rules != nil {
		spec.Rules = c.Rules
	}
	spec = spec.tidy()
	if err := spec.Check(); err != nil {
		return nil, err
	}
	if spec.ShardCount < ns.Spec.ShardCount {
		r := commands.Refuse("shard_count_shrinks", "namespace %q has %d shards and cannot have %d", ns.Name, ns.Len(), spec.ShardCount)
		r.Field, r.Allowed = "shardCount", fmt.Sprintf("%d to %d", ns.Len(), events.MaxShards)
		return nil, r
	}
	if spec.equal(ns.Spec) {
		return nil, nil
	}
	if err := s.room(spec.ShardCount, ns.Len()); err != nil {
		return nil, err
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceUpdated{NamespaceUpdated: &eventsv1.NamespaceUpdated{
		Namespace: c.Namespace, Spec: spec.proto(),
	}}}}, nil
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

func (s *State) decideDelete(meta commands.Meta, c Delete) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	if err := commands.CheckVersion(meta, "namespace", c.Namespace, ns.Version); err != nil {
		return nil, err
	}
	evs := []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceDeleting{NamespaceDeleting: &eventsv1.NamespaceDeleting{Namespace: c.Namespace}}}}
	if ns.unowned == int(ns.Len()) {
		evs = append(evs, namespaceDeleted(c.Namespace))
	}
	return evs, nil
}

func namespaceDeleted(name string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NamespaceDeleted{NamespaceDeleted: &eventsv1.NamespaceDeleted{Namespace: name}}}
}

func (s *State) decideFinishDelete(c FinishDelete) ([]*eventsv1.Event, error) {
	ns, ok := s.namespaces.Get(c.Namespace)
	if !ok {
		return nil, commands.Missing("namespace", c.Namespace)
	}
	if !ns.Deleting {
		return nil, commands.Refuse("namespace_in_use", "namespace %q is not being deleted", c.Namespace)
	}
	if owned := int(ns.Len()) - ns.unowned; owned > 0 {
		return nil, commands.Refuse("namespace_in_use", "%d shards of namespace %q are still owned", owned, c.Namespace)
	}
	return []*eventsv1.Event{namespaceDeleted(c.Namespace)}, nil
}

// selection returns the shards that are named, ascending and once each, after
// check has accepted every one.
func (ns *Namespace) selection(ids []uint32, check func(id uint32, sh *Shard) error) ([]uint32, error) {
	if len(ids) == 0 {
		return nil, commands.BadField("shardIds", "one to 2000 shard ids", "is empty")
	}
	if len(ids) > events.MaxAssigned {
		return nil, tooLarge("shardIds", len(ids))
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		sh := ns.Shard(id)
		if sh == nil {
			r := commands.Missing("shard", fmt.Sprintf("%s/%d", ns.Name, id))
			r.Allowed = fmt.Sprintf("0 to %d", ns.Len()-1)
			return nil, r
		}
		if err := check(id, sh); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func tooLarge(field string, n int) error {
	return &commands.Rejected{Kind: commands.Invalid, Reason: "too_large", Field: field,
		Message: fmt.Sprintf("%d shards in one command", n), Allowed: "at most 2000"}
}

func refuseShard(ns *Namespace, id uint32, reason, format string, args ...any) error {
	return commands.Refuse(reason, "shard %s/%d %s", ns.Name, id, fmt.Sprintf(format, args...))
}

func (s *State) decidePause(c Pause) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	var moving []uint32
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		if sh.Paused {
			return refuseShard(ns, id, "shard_paused", "is paused already")
		}
		if sh.Quarantined() {
			return quarantinedError(ns, id, sh)
		}
		if sh.MoveTo != "" {
			moving = append(moving, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var evs []*eventsv1.Event
	if len(moving) > 0 {
		evs = append(evs, moveCancelled(c.Namespace, moving, eventsv1.ShardCause_SHARD_CAUSE_OPERATOR))
	}
	return append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardsPaused{ShardsPaused: &eventsv1.ShardsPaused{
		Namespace: c.Namespace, Shards: events.PackShards(ids),
	}}}), nil
}

func (s *State) decideResume(c Resume) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	ids, err := ns.selection(c.Shards, func(id uint32, sh *Shard) error {
		if !sh.Paused {
			return refuseShard(ns, id, "shard_not_paused", "is not paused")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsResumed{ShardsResumed: &eventsv1.ShardsResumed{
		Namespace: c.Namespace, Shards: events.PackShards(ids),
	}}}}, nil
}
