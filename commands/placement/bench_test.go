package placement

import (
	"fmt"
	"testing"
)

func BenchmarkPlace(b *testing.B) {
	for _, size := range []struct{ shards, nodes int }{{100_000, 1_000}, {1_000_000, 5_000}} {
		for _, name := range Names() {
			if name == Rendezvous && size.nodes > 1_000 {
				continue // K·N, 5e9 pairs: tens of seconds
			}
			strategy, err := Named(name)
			if err != nil {
				b.Fatal(err)
			}
			nodes := fleet(size.nodes)
			empty := mustInput(b, "demo", size.shards, nodes)
			full := strategy(empty)
			weighted := fleet(size.nodes)
			for i := range weighted {
				weighted[i].Weight = One + Weight(i%7)*500
			}
			at := fmt.Sprintf("%s/%dx%d/", name, size.shards, size.nodes)
			for what, in := range map[string]*Input{
				"first":    empty,
				"lost":     carry(b, empty, full, nodes[1:]),
				"weighted": carry(b, empty, full, weighted),
			} {
				b.Run(at+what, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						strategy(in)
					}
				})
			}
		}
	}
}

func BenchmarkShardForKey(b *testing.B) {
	for _, shards := range []uint32{64, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(shards), func(b *testing.B) {
			keys := make([]string, 1024)
			for i := range keys {
				keys[i] = fmt.Sprintf("customer/%08d", i)
			}
			i := 0
			for b.Loop() {
				ShardForKey(keys[i&1023], shards)
				i++
			}
		})
	}
}

// ruled is a fleet in ten zones under rules of every kind: half of the nodes have
// ssd, twenty pins, a capacity, a spread.
func ruled(b *testing.B, shards, nodes int) *Input {
	fleet := fleet(nodes)
	for i := range fleet {
		fleet[i].Zone = fmt.Sprintf("z%d", i%10)
		fleet[i].Labels = map[string]string{"disk": []string{"ssd", "hdd"}[i/10%2]}
	}
	r := Rules{
		Require:    []Selector{{Key: "disk"}},
		MaxPerNode: uint32(2 * shards / nodes), Spread: KeyZone, MaxSkew: 100,
	}
	for p := range 20 {
		pin := Pin{Shards: []Range{{uint32(p * shards / 20), uint32(shards / 40)}}}
		switch p % 3 {
		case 0:
			pin.Require = []Selector{{Key: "disk", Values: []string{"ssd"}}}
		case 1:
			pin.Require = []Selector{{Key: KeyZone, Not: true, Values: []string{fmt.Sprintf("z%d", p%10)}}}
		default:
			pin.Require = []Selector{{Key: KeyZone, Values: []string{"z1", "z2", "z3", "z4", fmt.Sprintf("z%d", p%10)}}}
		}
		r.Pins = append(r.Pins, pin)
	}
	in := mustInput(b, "demo", shards, fleet)
	if err := in.Constrain(r); err != nil {
		b.Fatal(err)
	}
	return in
}

func BenchmarkPlaceRules(b *testing.B) {
	for _, size := range []struct{ shards, nodes int }{{100_000, 1_000}, {1_000_000, 5_000}} {
		for _, name := range Names() {
			if name == Rendezvous && size.nodes > 1_000 {
				continue
			}
			strategy, err := Named(name)
			if err != nil {
				b.Fatal(err)
			}
			empty := ruled(b, size.shards, size.nodes)
			full := strategy(empty)
			lost := carry(b, empty, full, empty.nodes[1:])
			if err := lost.Constrain(empty.Rules()); err != nil {
				b.Fatal(err)
			}
			for _, q := range []struct {
				what string
				in   *Input
			}{{"first", empty}, {"lost", lost}} {
				b.Run(fmt.Sprintf("%s/%dx%d/%s", name, size.shards, size.nodes, q.what), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						r := strategy(q.in)
						b.ReportMetric(float64(r.Certificate.Moved), "moved")
						b.ReportMetric(r.Certificate.MaxAfter, "max")
						b.ReportMetric(float64(r.Certificate.Unplaceable), "unplaceable")
					}
				})
			}
		}
	}
}
