package sequencer_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// submit queues what the words say:
//
//	cordon|uncordon <node>         label <node> <value>
//	barrier
//
// and then, in any order: key=<age> (an idempotency key made so long ago), dry,
// reason=<KiB> (so long a reason), times=<n> (so many of them), cancelled.
func (r *rig) submit(id string, words []string) {
	p := &sequencer.Pending{Request: commands.Request{Actor: "user/a"}}
	words, times := r.modify(p, words)
	switch words[0] {
	case "barrier":
		p.Barrier = true
	case "cordon":
		p.Request.Command = membership.Cordon{NodeID: words[1]}
	case "uncordon":
		p.Request.Command = membership.Uncordon{NodeID: words[1]}
	case "label":
		p.Request.Command = membership.Update{NodeID: words[1], Labels: map[string]string{"n": words[2]}}
	default:
		r.t.Fatalf("%q is no command", words)
	}
	p.Request.Hash = events.HashOf(fmt.Appendf(nil, "%#v", p.Request.Command))
	if times == 1 {
		r.queue(id, p)
		return
	}
	for i := range times { // labels that differ, so that each is a decision
		q := *p
		q.Request.Command = membership.Update{NodeID: words[1], Labels: map[string]string{"n": fmt.Sprint(i)}}
		r.queue(fmt.Sprintf("%s.%d", id, i), &q)
	}
}

func (r *rig) queue(id string, p *sequencer.Pending) {
	r.names[p] = id
	if err := r.core.Submit(p); err != nil {
		reason, _, _ := strings.Cut(err.Error(), ":")
		r.printf("%s: %s", id, reason)
	}
}

// modify takes the modifiers off the words.
func (r *rig) modify(p *sequencer.Pending, words []string) (rest []string, times int) {
	times = 1
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "dry":
			p.Request.DryRun = true
		case "key":
			p.Request.Key = keyAt(epoch-int64(r.duration(value)), 1)
		case "reason":
			var kib int
			_, _ = fmt.Sscan(value, &kib)
			p.Request.Reason = strings.Repeat("x", kib<<10)
		case "times":
			_, _ = fmt.Sscan(value, &times)
		case "cancelled":
			p.Cancelled = func() bool { return true }
		default:
			rest = append(rest, w)
		}
	}
	return rest, times
}

// keyAt is a UUIDv7 of this time.
func keyAt(at int64, n byte) commands.Key {
	ms := at / int64(time.Millisecond)
	k := commands.Key{6: 0x70, 8: 0x80, 15: n}
	for i := range 6 {
		k[i] = byte(ms >> (40 - 8*i))
	}
	return k
}

// rival is another server that works on the same log and register, without
// faults.
type rival struct {
	*rig
	core *sequencer.Core
}

// do does what the rival is told:
//
//	takes                 it writes the register, and logs nothing
//	leads                 it leads: register and grant
//	stores cordon <node>  a frame with this event is stored behind the log's
//	                      end although it holds no grant, as after a fault
//	future                the same with an event of a newer release
//	deliver               what was delayed arrives
func (v *rival) do(words []string) {
	ctx := v.t.Context()
	switch words[0] {
	case "takes":
		version, _, _ := v.reg.Read(ctx)
		if _, err := v.reg.Write(ctx, version, []byte(`{"server":"s2","incarnation":"first"}`)); err != nil {
			v.t.Fatal(err)
		}
	case "leads":
		cfg := v.cfg
		cfg.Server, cfg.Introduce = "s2", introduce("s2")
		v.core = sequencer.NewCore(cfg, sequencer.View{})
		v.catchUp()
		if err := v.core.Campaign(); err != nil {
			v.t.Fatal(err)
		}
		v.pump(v.core.Leading)
	case "stores":
		kind := &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: words[2]}}}
		v.append(kind)
	case "future":
		v.append(futureEvent(v.t))
	case "deliver":
		for _, p := range v.log.Delayed() {
			if err := v.log.Deliver(p.ID); err != nil {
				v.printf("the delayed frame is refused")
			}
		}
	default:
		v.t.Fatalf("a rival does not %q", words)
	}
}

func (v *rival) catchUp() {
	for _, m := range v.log.Messages(v.core.View().Mark.Sequence+1, 1000) {
		if err := v.core.Followed(m); err != nil {
			v.t.Fatal(err)
		}
	}
}

// pump does everything that the rival's core asks for until it is done.
func (v *rival) pump(done func() bool) {
	ctx := v.t.Context()
	for range 20 {
		x := v.core.Ready(v.now())
		if x.Publish != nil {
			v.core.Published(x.Publish.Expect, v.log.Publish(ctx, x.Publish.Expect, x.Publish.Data))
		}
		if x.Load != 0 {
			m, err := v.log.Load(ctx, x.Load)
			v.core.Loaded(v.now(), x.Load, m, err)
		}
		if x.Write != nil {
			version, err := v.reg.Write(ctx, x.Write.Expect, x.Write.Data)
			v.core.Written(v.now(), version, err)
		}
		if x.Read {
			version, data, err := v.reg.Read(ctx)
			v.core.WasRead(v.now(), version, data, err)
		}
		if x.Publish == nil && x.Load == 0 && x.Write == nil && !x.Read && done() {
			return
		}
	}
	v.t.Fatal("the rival does not come to an end")
}

// append stores a frame with one event behind the log's end.
func (v *rival) append(e *eventsv1.Event) {
	mark := markOf(v.t, v.log)
	data, err := events.Marshal(&eventsv1.Frame{
		LogId: mark.LogID[:], Era: mark.Era, First: uint64(mark.Position) + 1, PrevHash: mark.Hash[:], Time: mark.Time,
		Decisions: []*eventsv1.Decision{{Meta: &eventsv1.Meta{Actor: "node/s2"}, Events: []*eventsv1.Event{e}}},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.log.Publish(v.t.Context(), mark.Sequence, data); err != nil {
		v.t.Fatal(err)
	}
}
