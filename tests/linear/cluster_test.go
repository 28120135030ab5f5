package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/tests/harness"
	"github.com/omnirelay/omnirelay/tests/sim"
)

// The shape of a run on a cluster.
const (
	// roundFor is how long callers call in a round, between two looks at all.
	roundFor = 6 * time.Second
	// checkWithin bounds the search of one history.
	checkWithin = time.Minute
	// rest is how long a cluster may take to be well again.
	rest = 60 * time.Second
)

// TestLinearCluster checks commands, linearizable reads and leadership on three
// real servers while they are killed, paused and cut off; and then their log.
// OMNIRELAY_LINEAR_SECONDS sets how long rounds are repeated.
func TestLinearCluster(t *testing.T) {
	until := time.Now().Add(repeatFor(t, 0))
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(10*time.Minute))
	var total tally
	rng := rand.New(rand.NewPCG(rand.Uint64(), 3)) // what is real is not repeated by a seed
	w := watchPeers(t, c)
	rounds := 0
	for ; !t.Failed() && (rounds == 0 || time.Now().Before(until)); rounds++ {
		r := newRound(t, c, rounds)
		stop := make(chan struct{})
		calling := r.start(stop)
		disturb(t, c, rng, roundFor)
		close(stop)
		calling.Wait()
		heal(c)
		r.check()
		total.add(r.history.tally)
	}
	c.Converged(rest)
	c.OneLeader()
	checkLog(t, c)
	w.check(c)
	t.Logf("%d rounds: %+v", rounds, total)
	if total.Answered == 0 || total.Reads == 0 || total.Refused == 0 || total.Open == 0 && rounds > 2 {
		t.Errorf("%+v: this tests too little", total)
	}
}

// round is callers with cells and scopes of their own.
type round struct {
	t             *testing.T
	c             *harness.Cluster
	history       *history
	cells, scopes []string
	begin         cell // of each cell
	next          atomic.Int64
	callers       []*caller
	candidates    []*candidate
}

func newRound(t *testing.T, c *harness.Cluster, n int) *round {
	t.Helper()
	r := &round{t: t, c: c, history: &history{}}
	setup := c.Connect()
	ctx, cancel := context.WithTimeout(t.Context(), rest)
	defer cancel()
	for i := range 3 {
		name := fmt.Sprintf("cell-%d-%d", n, i)
		if _, err := setup.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{Namespace: name, ShardCount: 1, EligibleRole: "nobody"}); err != nil {
			t.Fatal(err)
		}
		ns, err := setup.Namespaces.Get(ctx, &controlv1.GetNamespaceRequest{Namespace: name, Read: linearizable()})
		if err != nil {
			t.Fatal(err)
		}
		r.begin = cell{ns.GetCapacityHint(), ns.GetVersion()}
		r.cells = append(r.cells, name)
	}
	r.scopes = []string{fmt.Sprintf("lin/%d-a", n), fmt.Sprintf("lin/%d-b", n)}
	for i := range 5 {
		r.callers = append(r.callers, r.caller(i, r.cells))
	}
	for i := range 3 {
		x := &candidate{caller: *r.caller(10+i, r.scopes), node: fmt.Sprintf("c%d-%d", n, i)}
		s, err := setup.Sessions.Open(ctx, &controlv1.OpenSessionRequest{NodeId: x.node, Role: "caller", Secret: []byte(x.node + ", sixteen bytes of it"), Incarnation: 1})
		if err != nil {
			t.Fatal(err)
		}
		x.session = s.GetSessionId()
		r.candidates = append(r.candidates, x)
	}
	return r
}

func (r *round) caller(id int, keys []string) *caller {
	return &caller{
		t: r.t, id: id, api: connect(r.t, r.c.URLs()), history: r.history, keys: keys, versions: map[string]int64{}, next: &r.next,
		rng: rand.New(rand.NewPCG(rand.Uint64(), uint64(id))),
	}
}

// start lets all call until stop is closed.
func (r *round) start(stop <-chan struct{}) *sync.WaitGroup {
	calling := &sync.WaitGroup{}
	for _, x := range r.callers {
		x.stop = stop
		calling.Go(x.cells)
	}
	for _, x := range r.candidates {
		x.stop = stop
		calling.Go(x.scopes)
	}
	return calling
}

// check looks for an order in which all that was told is true.
func (r *round) check() {
	r.t.Helper()
	for key, part := range partsOf(r.history.operations) {
		spec := cellSpec(r.begin)
		if slices.Contains(r.scopes, key) {
			spec = scopeSpec()
		}
		switch porcupine.CheckOperationsTimeout(spec, part, checkWithin) {
		case porcupine.Unknown:
			r.t.Errorf("%s: %d operations, and no verdict after %s", key, len(part), checkWithin)
		case porcupine.Illegal:
			r.t.Errorf("the operations on %s are not linearizable", key)
			for _, op := range part {
				r.t.Log(describe(op))
			}
		}
	}
}

// disturb does one thing after the other to servers, each for a while.
func disturb(t *testing.T, c *harness.Cluster, rng *rand.Rand, lasting time.Duration) {
	t.Helper()
	for until := time.Now().Add(lasting); time.Now().Before(until); {
		victim := 1 + rng.IntN(3)
		if s, err := c.Status(1 + rng.IntN(3)); err == nil && rng.IntN(2) == 0 && s.GetLeader() != "" {
			victim = int(s.GetLeader()[1] - '0')
		}
		others := c.Except(victim).Servers()
		d := time.Duration(300+rng.IntN(1700)) * time.Millisecond
		kind := rng.IntN(5)
		fault := []string{"killed", "paused", "cut off", "not heard by one", "deaf"}[kind]
		t.Logf("s%d is %s for %s", victim, fault, d)
		switch kind {
		case 0:
			c.Kill(victim)
			elapse(d / 2)
			c.Launch(victim)
		case 1:
			c.Pause(victim)
			elapse(d)
			c.Resume(victim)
		case 2:
			c.Partition([]int{victim})
			elapse(d)
		case 3:
			c.CutOneWay(victim, others[rng.IntN(2)])
			elapse(d)
		case 4:
			c.CutOneWay(others[0], victim)
			c.CutOneWay(others[1], victim)
			elapse(d)
		}
		c.Heal()
		elapse(300*time.Millisecond + d/2)
	}
}

// elapse lets a fault last: its length is what is tested, there is no condition to
// wait for.
func elapse(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// heal ends all faults and waits until all servers are ready.
func heal(c *harness.Cluster) {
	c.Heal()
	c.AwaitReady()
	c.Leader()
}

// checkLog checks the invariants on the log of the servers, and their rows as of
// some of its positions (T2, T3).
func checkLog(t *testing.T, c *harness.Cluster) {
	t.Helper()
	log := c.Events("")
	if err := sim.CheckEvents(recorded(log)); err != nil {
		t.Errorf("the log: %v", err)
	}
	for i := 1; i <= 3; i++ {
		c.SameRows(log[len(log)*i/4].GetDecisionPosition())
	}
	leaders := 0
	for _, e := range log {
		if e.GetType() == "LeadershipGranted" && e.GetId() == events.GlobalScope {
			leaders++
		}
	}
	t.Logf("%d events on the log, %d control leaderships", len(log), leaders)
}
