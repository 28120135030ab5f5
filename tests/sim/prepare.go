package sim

import (
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

// preparation is a callback that prepares, or has prepared, a shard.
type preparation struct {
	fence   int64
	running bool
	ended   bool // told that the move ended otherwise
}

// prepare runs the callback of a preparation: it takes a while, in a storm now
// and then longer than a move has.
func (p *process) prepare(x member.Prepare) {
	p.w.tracef("%s prepares %s/%d fence %d of %s", p.name, x.Ref.Namespace, x.Ref.Shard, x.Fence, x.Owner)
	if old := p.preps[x.Ref]; old != nil {
		p.w.fail("%s prepares %s/%d twice", p.name, x.Ref.Namespace, x.Ref.Shard)
	}
	it := &preparation{fence: x.Fence, running: true}
	p.preps[x.Ref] = it
	took := p.w.between(0, 30*time.Millisecond)
	if p.w.fault() {
		took = p.w.between(0, 40*time.Second)
	}
	if p.batches {
		took = 0
	}
	if p.cold {
		took = time.Hour
	}
	p.deliver(took, func() { p.prepared(x.Ref, it, true) })
}

// endPrepare tells it that the move ended otherwise.
func (p *process) endPrepare(x member.EndPrepare) {
	it := p.preps[x.Ref]
	if it == nil || it.fence != x.Fence {
		p.w.fail("%s ends the preparation of %s/%d fence %d, it has %+v", p.name, x.Ref.Namespace, x.Ref.Shard, x.Fence, it)
		return
	}
	it.ended = true
	if !it.running {
		delete(p.preps, x.Ref)
		return
	}
	p.deliver(p.w.between(0, 20*time.Millisecond), func() { p.prepared(x.Ref, it, false) })
}

// prepared is the return of the callback.
func (p *process) prepared(ref member.Ref, it *preparation, ready bool) {
	if !it.running {
		return
	}
	it.running = false
	if ready {
		p.w.check.prepares(p, ref, it.fence)
	}
	if it.ended {
		delete(p.preps, ref)
	}
	p.report(member.PrepareEnded{Ref: ref, Fence: it.fence, Ready: ready})
}

// report brings the return of a callback to the core. With batches set, what
// returns within a millisecond comes together, as the shell brings it.
func (p *process) report(in member.Input) {
	if !p.batches {
		p.step(in)
		return
	}
	if p.batch = append(p.batch, in); len(p.batch) == 1 {
		p.deliver(time.Millisecond, func() {
			all := p.batch
			p.batch = nil
			p.step(all)
		})
	}
}
