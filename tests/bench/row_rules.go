package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/omnirelay/omnirelay/commands/placement"
)

// rules: placing under constraints, the arithmetic alone: a fleet in ten zones, half
// of it with ssd, twenty pins, a capacity and a spread; then a node is lost.
func rules(_ context.Context, r *run) error {
	for _, size := range []struct {
		shards, nodes int
		most          float64 // seconds
	}{{100_000 / r.scale, 1_000 / r.scale, 1}, {1_000_000 / r.scale, 5_000 / r.scale, 15}} {
		var first, lost, memory []float64
		for range r.reps {
			in, err := ruled(size.shards, size.nodes, 0)
			if err != nil {
				return err
			}
			result, took, allocated, err := placeRuled(in)
			if err != nil {
				return err
			}
			after, err := ruled(size.shards, size.nodes, 1)
			if err != nil {
				return err
			}
			for s := range result.Owner {
				after.Own(s, 1, after.Index(result.OwnerID(s)))
			}
			_, again, _, err := placeRuled(after)
			if err != nil {
				return err
			}
			first, lost, memory = append(first, took), append(lost, again), append(memory, allocated)
		}
		what := fmt.Sprintf("%d shards on %d nodes", size.shards, size.nodes)
		r.add("place "+what+" under rules", seconds, atMost(seconds, size.most), first, nil)
		r.add("the same after the loss of a node", seconds, atMost(seconds, size.most), lost, nil)
		r.add("allocated for the first of them", mebibytes, goal{}, memory, nil)
	}
	return nil
}

// placeRuled places by the default strategy and says what it took, in seconds and in
// MiB allocated.
func placeRuled(in *placement.Input) (result placement.Result, took, allocated float64, err error) {
	strategy, err := placement.Named("")
	if err != nil {
		return result, 0, 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	result = strategy(in)
	took = time.Since(start).Seconds()
	runtime.ReadMemStats(&after)
	if n := result.Certificate.Unplaceable; n > 0 {
		err = fmt.Errorf("%d shards are unplaceable: %s", n, result.Certificate.Binding)
	}
	return result, took, float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20), err
}

// ruled is the fleet without its first nodes.
func ruled(shards, nodes, without int) (*placement.Input, error) {
	fleet := make([]placement.Node, 0, nodes)
	for i := without; i < nodes; i++ {
		fleet = append(fleet, placement.Node{
			ID: fmt.Sprintf("n%05d", i), Zone: fmt.Sprintf("z%d", i%10),
			Labels: map[string]string{"disk": []string{"ssd", "hdd"}[i/10%2]},
		})
	}
	in, err := placement.NewInput("demo", shards, fleet)
	if err != nil {
		return nil, err
	}
	rules := placement.Rules{
		Require:    []placement.Selector{{Key: "disk"}},
		MaxPerNode: uint32(2*shards/nodes + 2), Spread: placement.KeyZone, MaxSkew: 100,
	}
	for p := range 20 {
		where := placement.Selector{Key: placement.KeyZone, Not: true, Values: []string{fmt.Sprintf("z%d", p%10)}}
		if p%2 == 0 {
			where = placement.Selector{Key: "disk", Values: []string{"ssd"}}
		}
		rules.Pins = append(rules.Pins, placement.Pin{
			Shards:  []placement.Range{{First: uint32(p * shards / 20), Count: uint32(max(1, shards/40))}},
			Require: []placement.Selector{where},
		})
	}
	return in, in.Constrain(rules)
}
