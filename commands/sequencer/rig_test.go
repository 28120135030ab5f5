package sequencer_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// epoch is the wall time at which every story begins, Unix nanoseconds.
const epoch = int64(1_800_000_000) * int64(time.Second)

// boot0 is the boot time at which every story begins.
const boot0 = int64(time.Hour)

// rig is a core, the log and the register that it works on, and a rival.
type rig struct {
	t    *testing.T
	cfg  sequencer.Config
	core *sequencer.Core
	log  *memlog.Log
	reg  *memlog.Register
	at   time.Duration // boot time since the beginning
	wall time.Duration // wall time since the epoch

	// The operations that were asked for and not done, and the results of those
	// that were done and not reported.
	publish *sequencer.Publish
	load    uint64
	write   *sequencer.Write
	read    bool
	reports map[string]func()

	names  map[*sequencer.Pending]string
	frames map[string]string // bytes → name
	rival  *rival
	out    strings.Builder
}

func newRig(t *testing.T) *rig {
	r := &rig{
		t: t, log: memlog.New(nil), reg: memlog.NewRegister(nil), reports: map[string]func(){},
		names: map[*sequencer.Pending]string{}, frames: map[string]string{},
		cfg: sequencer.Config{Server: "s1", Incarnation: "first", NewLogID: events.LogID{1}, Introduce: introduce("s1")},
	}
	r.core = sequencer.NewCore(r.cfg, sequencer.View{})
	r.rival = &rival{rig: r}
	return r
}

// introduce is genesis with the nodes n1 and n2, and the server itself.
func introduce(server string) func(*model.Model) []commands.Request {
	return func(m *model.Model) []commands.Request {
		var rs []commands.Request
		actor := "node/" + server
		if m.Control.Era == 0 {
			rs = append(rs, commands.Request{Actor: actor, Command: control.StartEra{Cluster: "c1"}})
			for _, id := range []string{"n1", "n2"} {
				rs = append(rs, join(actor, id))
			}
		}
		return append(rs, join(actor, server))
	}
}

func join(actor, id string) commands.Request {
	return commands.Request{Actor: actor, Command: membership.JoinServer{Node: membership.Descriptor{NodeID: id, Weight: 1}}}
}

func (r *rig) now() sequencer.Now {
	return sequencer.Now{Wall: epoch + int64(r.wall), Boot: boot0 + int64(r.at)}
}

func (r *rig) output() string {
	s := r.out.String()
	r.out.Reset()
	return s
}

func (r *rig) printf(format string, args ...any) { fmt.Fprintf(&r.out, format+"\n", args...) }

// do does what one line says:
//
//	at 20ms, wall 20ms             the time since the beginning; at sets both clocks
//	campaign, resign
//	lead                           campaign and do everything until the core leads, silently
//	submit <id> <command>          see rig.command
//	cancel <id>                    its caller stops waiting
//	ready                          what the core wants now
//	publish|write [fault]          do the operation that was asked for and report it
//	load|read [lost]
//	do <operation> [fault]         do it; its report is late
//	report <operation>             now it comes
//	follow                         the core follows the log to its end
//	rival <what>                   another server: see rival.do
//	restart                        a new process, which replays the log
//	view                           what the core says of itself
func (r *rig) do(words []string) {
	switch rest := words[1:]; words[0] {
	case "at":
		r.at = r.duration(rest[0])
		r.wall = r.at
	case "wall":
		r.wall = r.duration(rest[0])
	case "campaign":
		if err := r.core.Campaign(); err != nil {
			r.printf("refused: %v", err)
		}
	case "resign":
		r.core.Resign()
	case "lead":
		r.lead()
	case "submit":
		r.submit(rest[0], rest[1:])
	case "queue":
		r.cfg.MaxQueue, _ = strconv.Atoi(rest[0])
		r.core = sequencer.NewCore(r.cfg, sequencer.View{})
	case "ready":
		r.ready()
	case "publish", "load", "write", "read":
		r.operate(words[0], rest)
		r.report(words[0])
	case "do":
		r.operate(rest[0], rest[1:])
	case "report":
		r.report(rest[0])
	case "follow":
		r.follow()
	case "rival":
		r.rival.do(rest)
	case "restart":
		r.cfg.Incarnation += "'"
		r.core = sequencer.NewCore(r.cfg, sequencer.View{})
		r.publish, r.load, r.write, r.read = nil, 0, nil, false
		r.follow()
	case "view":
		r.view()
	default:
		r.t.Fatalf("%q is no word of a transcript", words)
	}
}

func (r *rig) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// lead goes through a candidacy without a fault and forgets what was printed.
func (r *rig) lead() {
	if err := r.core.Campaign(); err != nil {
		r.t.Fatal(err)
	}
	for range 100 {
		r.ready()
		switch {
		case r.publish != nil:
			r.do([]string{"publish"})
		case r.read:
			r.do([]string{"read"})
		case r.write != nil:
			r.do([]string{"write"})
		case r.core.Leading():
			r.output()
			return
		}
	}
	r.t.Fatalf("does not lead (fatal: %v):\n%s", r.core.Fatal(), r.output())
}

// ready prints what the core asks for and keeps it to be done.
func (r *rig) ready() {
	x := r.core.Ready(r.now())
	for _, m := range x.Stored {
		r.printf("stored %s as message %d", r.frame(m.Data), m.Sequence)
	}
	for i, a := range x.Answers {
		if few := 8; i == few && len(x.Answers) > 2*few { // the last one says enough
			r.printf("… %d more answers", len(x.Answers)-few-1)
		}
		if i < 8 || len(x.Answers) <= 16 || i == len(x.Answers)-1 {
			r.printf("answer %s: %s", r.names[a.Pending], answerText(a))
		}
	}
	if x.Publish != nil {
		_, seen := r.frames[string(x.Publish.Data)]
		r.publish = x.Publish
		r.printf("publish %s after message %d", r.frame(x.Publish.Data), x.Publish.Expect)
		if !seen {
			r.printf("%s", r.contents(x.Publish.Data))
		}
	}
	if x.Load != 0 {
		r.load = x.Load
		r.printf("load message %d", x.Load)
	}
	if x.Write != nil {
		r.write = x.Write
		r.printf("write register after version %d", x.Write.Expect)
	}
	if x.Read {
		r.read = true
		r.printf("read register")
	}
	if x.Wake != 0 {
		r.printf("wake at %s", time.Duration(x.Wake-boot0))
	}
}

// frame names bytes: the same bytes have the same name.
func (r *rig) frame(data []byte) string {
	name, ok := r.frames[string(data)]
	if !ok {
		name = fmt.Sprintf("F%d", len(r.frames)+1)
		r.frames[string(data)] = name
	}
	return name
}

// contents shows the decisions of a frame.
func (r *rig) contents(data []byte) string {
	f := frameOf(r.t, data)
	var b strings.Builder
	at := f.First
	fmt.Fprintf(&b, "  time %s", time.Duration(f.Time-epoch))
	for _, d := range f.Decisions {
		if len(d.Events) > 8 {
			fmt.Fprintf(&b, "\n  %d to %d %s", at, at+uint64(len(d.Events))-1, d.Meta.Command)
			at += uint64(len(d.Events))
			continue
		}
		for _, e := range d.Events {
			fmt.Fprintf(&b, "\n  %d %s", at, events.TypeOf(e))
			if id := events.Describe(e).ID; id != "" {
				fmt.Fprintf(&b, " %s", id)
			}
			at++
		}
	}
	if len(f.Decisions) > 8 {
		return fmt.Sprintf("  time %s\n  %d decisions, positions %d to %d", time.Duration(f.Time-epoch), len(f.Decisions), f.First, at-1)
	}
	return b.String()
}

func answerText(a sequencer.Answer) string {
	var rejected *commands.Rejected
	switch {
	case errors.As(a.Err, &rejected):
		return "rejected, " + rejected.Reason
	case a.Err != nil:
		reason, _, _ := strings.Cut(a.Err.Error(), ":")
		return "error, " + reason
	case a.Receipt.Replayed:
		return fmt.Sprintf("position %d, replayed", a.Receipt.Position)
	case a.Receipt.DryRun:
		return fmt.Sprintf("would be %d events after position %d", len(a.Receipt.Events), a.Receipt.Position)
	case a.Pending.Barrier:
		return fmt.Sprintf("position %d is linearizable", a.Receipt.Position)
	case len(a.Receipt.Events) == 0:
		return fmt.Sprintf("nothing to do, position %d", a.Receipt.Position)
	}
	return fmt.Sprintf("position %d", a.Receipt.Position)
}

func (r *rig) view() {
	v := r.core.View()
	until, gained := r.core.AuthorityUntil()
	state := "follows"
	if r.core.Leading() {
		state = fmt.Sprintf("leads, authority until %s, gained %d times", time.Duration(until-boot0), gained)
	}
	var cordoned []string
	v.Model.Membership.EachNode(func(n membership.Node) bool {
		if n.Lifecycle == membership.Cordoned {
			cordoned = append(cordoned, n.NodeID)
		}
		return true
	})
	r.printf("%s; position %d in message %d, time %s, cordoned %v", state, v.Mark.Position, v.Mark.Sequence, time.Duration(v.Mark.Time-epoch), cordoned)
	if err := r.core.Fatal(); err != nil {
		r.printf("fatal: %v", err)
	}
}

// follow feeds the core what it does not know of the log yet.
func (r *rig) follow() {
	for _, m := range r.log.Messages(r.core.View().Mark.Sequence+1, 1000) {
		if err := r.core.Followed(m); err != nil {
			r.printf("refused: %v", err)
			return
		}
	}
}

// faultOf is the fault that a word names.
func (r *rig) faultOf(words []string) memlog.Faults {
	if len(words) == 0 {
		return nil
	}
	fault, ok := map[string]memlog.Fault{
		"ack-lost": memlog.AckLost, "lost": memlog.Lost, "delayed": memlog.Delayed,
		"refused": memlog.SpuriousRefusal, "full": memlog.Full,
	}[words[0]]
	if !ok {
		r.t.Fatalf("%q is no fault", words[0])
	}
	return func(memlog.Op) memlog.Fault { return fault }
}

// operate does an operation that was asked for, and keeps what to report.
func (r *rig) operate(op string, fault []string) {
	ctx := r.t.Context()
	r.log.SetFaults(r.faultOf(fault))
	r.reg.SetFaults(r.faultOf(fault))
	defer func() { r.log.SetFaults(nil); r.reg.SetFaults(nil) }()
	switch {
	case op == "publish" && r.publish != nil:
		p := *r.publish
		err := r.log.Publish(ctx, p.Expect, p.Data)
		r.publish, r.reports[op] = nil, func() { r.core.Published(p.Expect, err) }
	case op == "load" && r.load != 0:
		seq := r.load
		m, err := r.log.Load(ctx, seq)
		r.load, r.reports[op] = 0, func() { r.core.Loaded(r.now(), seq, m, err) }
	case op == "write" && r.write != nil:
		version, err := r.reg.Write(ctx, r.write.Expect, r.write.Data)
		r.write, r.reports[op] = nil, func() { r.core.Written(r.now(), version, err) }
	case op == "read" && r.read:
		version, data, err := r.reg.Read(ctx)
		r.read, r.reports[op] = false, func() { r.core.WasRead(r.now(), version, data, err) }
	default:
		r.t.Fatalf("nobody asked for a %s", op)
	}
}

func (r *rig) report(op string) {
	report := r.reports[op]
	if report == nil {
		r.t.Fatalf("no %s was done", op)
	}
	delete(r.reports, op)
	report()
}

// futureEvent is an event of a kind that this release does not know.
func futureEvent(t *testing.T) *eventsv1.Event {
	t.Helper()
	e := &eventsv1.Event{}
	b := protowire.AppendTag(nil, 9000, protowire.BytesType)
	e.ProtoReflect().SetUnknown(protowire.AppendBytes(b, []byte("new")))
	return e
}

func frameOf(t *testing.T, data []byte) *eventsv1.Frame {
	t.Helper()
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(data, f); err != nil {
		t.Fatal(err)
	}
	return f
}

// mark reads a whole log as a follower would.
func markOf(t *testing.T, l *memlog.Log) store.Mark {
	t.Helper()
	var mark store.Mark
	for _, m := range l.Messages(1, 100_000) {
		_, next, err := mark.Verify(m)
		if err != nil {
			t.Fatal(err)
		}
		mark = next
	}
	return mark
}
