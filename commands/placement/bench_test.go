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
