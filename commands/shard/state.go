package shard

import (
	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Shard is one shard as the log says it is.
type Shard struct {
	// Owner is empty while nobody owns the shard.
	Owner string `cbor:"1,keyasint,omitempty"`
	// Session that the assignment is bound to.
	Session events.Position `cbor:"2,keyasint,omitempty"`
	// Fence of the present or last assignment.
	Fence events.Position `cbor:"3,keyasint,omitempty"`
	// LastOwner is the owner before the shard became unowned.
	LastOwner string `cbor:"4,keyasint,omitempty"`
	// MoveTo is the target of a move in flight. It outlives the owner's death:
	// the shard is then placed there.
	MoveTo string `cbor:"5,keyasint,omitempty"`
	// MoveDeadline is when the stage of the move should be over, Unix nanoseconds.
	MoveDeadline int64 `cbor:"6,keyasint,omitempty"`
	// MoveCause is why it moves.
	MoveCause eventsv1.ShardCause `cbor:"11,keyasint,omitempty"`
	// MoveHold is how long the shard is held at the target, nanoseconds.
	MoveHold int64 `cbor:"7,keyasint,omitempty"`
	// HeldUntil: not moved for balance before, Unix nanoseconds.
	HeldUntil int64  `cbor:"8,keyasint,omitempty"`
	Paused    bool   `cbor:"9,keyasint,omitempty"`
	Version   uint64 `cbor:"10,keyasint"`
	// Deaths of owners in a row, each within the window of its assignment.
	Deaths uint8 `cbor:"12,keyasint,omitempty" json:"-"`
	// AssignedAt is when the owner was given the shard, Unix nanoseconds; 0 while
	// it is unowned.
	AssignedAt int64 `cbor:"13,keyasint,omitempty" json:"-"`
	// QuarantinedAt is since when it is quarantined, Unix nanoseconds; 0 is not.
	QuarantinedAt int64 `cbor:"14,keyasint,omitempty" json:",omitempty"`
	// MoveStage is how far the move in flight has come.
	MoveStage eventsv1.MoveStage `cbor:"15,keyasint,omitempty" json:",omitempty"`
	// Silent: the owner's session is closed, and the ownership goes on.
	Silent bool `cbor:"16,keyasint,omitempty" json:",omitempty"`
	// Readers beside the owner.
	Readers Readers `cbor:"20,keyasint,omitempty" json:",omitempty"`
	// Stuck is why its last move failed, 0 when it did not: the owner did not release
	// it, or the target did not prepare. HeldUntil is when it may be asked for again.
	Stuck eventsv1.ShardCause `cbor:"40,keyasint,omitempty" json:",omitempty"`
}

// Moving reports whether a move from an owner is in flight.
func (sh *Shard) Moving() bool { return sh.Owner != "" && sh.MoveTo != "" }

// Places are where placement counts a shard: at the target of its move if that may
// have it, and else at home, with who owns or last owned it. One that is quarantined
// counts nowhere.
func (sh *Shard) Places() (target, home string) {
	switch {
	case sh.Quarantined():
		return "", ""
	case sh.Owner == "":
		return sh.MoveTo, sh.LastOwner
	}
	return sh.MoveTo, sh.Owner
}

// Rests reports whether the last move of a shard failed, so that it is left alone
// for its hold; but the drain of its owner that is asked for after the failure asks
// anew.
func (sh *Shard) Rests(now, drain int64) bool {
	return sh.Stuck != 0 && sh.HeldUntil > now && drain <= sh.HeldUntil-int64(MoveHold)
}

// Preparing reports whether the target of a move is asked to prepare.
func (sh *Shard) Preparing() bool {
	return sh.Moving() && sh.MoveStage == eventsv1.MoveStage_MOVE_STAGE_PREPARE
}

// Releasing reports whether the owner is asked to release the shard.
func (sh *Shard) Releasing() bool { return sh.Moving() && !sh.Preparing() }

// pageSize is the number of shards that are copied together when one of them
// is written in a state that shares them.
const pageSize = 128

// page is a run of shards. Only the state with the same token may write to it.
type page struct {
	token  *token
	shards []Shard
}

// token is the identity of a state as a writer; it has a size so that two
// never share an address.
type token struct{ _ byte }

// Namespace is a namespace and its shards. Reading is free to all; only the
// state that it belongs to writes.
type Namespace struct {
	Name     string
	Spec     Spec
	Version  uint64
	Deleting bool

	token *token
	pages []*page
	// owned counts the shards of each owner; an owner with none is not in it.
	owned btree.Map[string, int]
	// reading counts the shards that each node reads, likewise.
	reading btree.Map[string, int]
	unowned int
	moving  int
	// silent counts the silent shards of each ended session, by holderKey.
	silent btree.Map[string, int]
	// quarantined are among the unowned.
	quarantined int
}

// State holds the namespaces. Use [NewState]. It has one owner.
type State struct {
	token      *token
	namespaces btree.Map[string, *Namespace]
	total      int // shards of all namespaces
	// ended are the highest versions that deleted namespaces had, at most maxEnded;
	// of those before, floor is the highest of all.
	ended btree.Map[string, uint64]
	floor uint64
	// quarantine is the rule in force.
	quarantine Quarantine
}

// maxEnded bounds the names that are remembered one by one.
const maxEnded = 10_000

// NewState returns the state of an empty log.
func NewState() *State { return &State{token: &token{}, quarantine: DefaultQuarantine()} }

// Clone returns an independent state that shares what neither changes. The
// original is frozen from then on: it may be read, by anyone, and Evolve
// panics.
func (s *State) Clone() *State {
	c := &State{token: &token{}, namespaces: *s.namespaces.Copy(), total: s.total, ended: *s.ended.Copy(), floor: s.floor,
		quarantine: s.quarantine}
	s.token = nil
	return c
}

// Freeze makes the state a value that anyone may read and nobody evolves.
func (s *State) Freeze() { s.token = nil }

// Total is the number of shards of all namespaces.
func (s *State) Total() int { return s.total }

// put adds a namespace, or takes the place of one of the same name, and keeps the
// total.
func (s *State) put(ns *Namespace) {
	s.remove(ns.Name)
	s.namespaces.Set(ns.Name, ns)
	s.total += int(ns.Len())
}

func (s *State) remove(name string) {
	if old, ok := s.namespaces.Delete(name); ok {
		s.total -= int(old.Len())
	}
}

// Namespace returns a namespace by its name.
func (s *State) Namespace(name string) (*Namespace, bool) { return s.namespaces.Get(name) }

// EachNamespace calls fn for every namespace in the order of names, until it
// returns false.
func (s *State) EachNamespace(fn func(*Namespace) bool) {
	s.namespaces.Scan(func(_ string, ns *Namespace) bool { return fn(ns) })
}

// Len is the number of shards.
func (ns *Namespace) Len() uint32 { return ns.Spec.ShardCount }

// Shard returns a shard; nil when the id is not below Len. It must not be
// written to.
func (ns *Namespace) Shard(id uint32) *Shard {
	if id >= ns.Spec.ShardCount {
		return nil
	}
	return &ns.pages[id/pageSize].shards[id%pageSize]
}

// Each calls fn for every shard in the order of ids, until it returns false.
func (ns *Namespace) Each(fn func(id uint32, sh *Shard) bool) {
	id := uint32(0)
	for _, p := range ns.pages {
		for i := range p.shards {
			if !fn(id, &p.shards[i]) {
				return
			}
			id++
		}
	}
}

// Owned is the number of shards that a node owns.
func (ns *Namespace) Owned(node string) int {
	n, _ := ns.owned.Get(node)
	return n
}

// Reading is the number of shards that a node reads.
func (ns *Namespace) Reading(node string) int {
	n, _ := ns.reading.Get(node)
	return n
}

// Read reports whether any shard has a reader.
func (ns *Namespace) Read() bool { return ns.reading.Len() > 0 }

// Unowned is the number of shards without an owner.
func (ns *Namespace) Unowned() int { return ns.unowned }

// Quarantined is the number of unowned shards that stay so until an operator
// releases them.
func (ns *Namespace) Quarantined() int { return ns.quarantined }

// Moving is the number of shards of which a move from an owner is in flight.
func (ns *Namespace) Moving() int { return ns.moving }

// writable returns the namespace as one that this state may write to, copying
// its directory (not its pages) the first time.
func (s *State) writable(name string) *Namespace {
	if s.token == nil {
		panic("shard: evolve of a frozen state")
	}
	ns, ok := s.namespaces.Get(name)
	if !ok {
		return nil
	}
	if ns.token == s.token {
		return ns
	}
	c := &Namespace{
		Name: ns.Name, Spec: ns.Spec, Version: ns.Version, Deleting: ns.Deleting,
		token: s.token, pages: append([]*page(nil), ns.pages...),
		owned: *ns.owned.Copy(), reading: *ns.reading.Copy(), unowned: ns.unowned, moving: ns.moving, silent: *ns.silent.Copy(), quarantined: ns.quarantined,
	}
	s.namespaces.Set(name, c)
	return c
}

// edit applies fn to a shard, keeps the counts, and raises its version. An id
// that does not exist is passed over: a fact cannot be refused.
func (ns *Namespace) edit(id uint32, fn func(*Shard)) {
	if id >= ns.Spec.ShardCount {
		return
	}
	p := ns.pages[id/pageSize]
	if p.token != ns.token {
		p = &page{token: ns.token, shards: append([]Shard(nil), p.shards...)}
		ns.pages[id/pageSize] = p
	}
	sh := &p.shards[id%pageSize]
	ns.count(sh, -1)
	fn(sh)
	ns.count(sh, +1)
	sh.Version++
}

func (ns *Namespace) count(sh *Shard, by int) {
	if sh.Moving() {
		ns.moving += by
	}
	sh.Readers.Each(func(node string, _ events.Position) { tally(&ns.reading, node, by) })
	if sh.Owner == "" {
		ns.unowned += by
		if sh.Quarantined() {
			ns.quarantined += by
		}
		return
	}
	tally(&ns.owned, sh.Owner, by)
	if sh.Silent {
		tally(&ns.silent, holderKey(sh.Owner, sh.Session), by)
	}
}

// tally adds to a count; one of none is not kept.
func tally(counts *btree.Map[string, int], key string, by int) {
	n, _ := counts.Get(key)
	if n += by; n == 0 {
		counts.Delete(key)
	} else {
		counts.Set(key, n)
	}
}

// grow adds unowned shards of version 1 up to count.
func (ns *Namespace) grow(count uint32) {
	for id := ns.Spec.ShardCount; id < count; id++ {
		i := int(id / pageSize)
		if i == len(ns.pages) {
			ns.pages = append(ns.pages, &page{token: ns.token, shards: make([]Shard, 0, min(pageSize, count-id))})
		}
		p := ns.pages[i]
		if p.token != ns.token {
			p = &page{token: ns.token, shards: append([]Shard(nil), p.shards...)}
			ns.pages[i] = p
		}
		p.shards = append(p.shards, Shard{Version: 1})
		ns.unowned++
	}
	ns.Spec.ShardCount = max(ns.Spec.ShardCount, count)
}
