package sequencer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

func wireOf(t testing.TB) wire {
	t.Helper()
	w, err := newWire()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWireRequest: a request comes back with all that it is. Its fields are set by
// name, so that a new one is missed here.
func TestWireRequest(t *testing.T) {
	w := wireOf(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 30, -1)
		want := commands.Request{
			Command: rapid.SampledFrom(model.Commands()).Draw(t, "command"), Actor: text.Draw(t, "actor"),
			Reason: text.Draw(t, "reason"), ChangeTicket: text.Draw(t, "ticket"), CorrelationID: text.Draw(t, "correlation"),
			CausationID: text.Draw(t, "causation"), IfVersion: rapid.Uint64().Draw(t, "version"), DryRun: rapid.Bool().Draw(t, "dry"),
			Term: events.Position(rapid.Uint64().Draw(t, "term")),
		}
		if rapid.Bool().Draw(t, "keyed") {
			copy(want.Key[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key"))
			copy(want.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		}
		b, err := w.encode(&want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-sent +received):\n%s", diff)
		}
	})
}

// TestWireAnswer: receipts and rejections come back with all that they are, and
// errors under the same names.
func TestWireAnswer(t *testing.T) {
	w := wireOf(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 30, -1)
		r := commands.Receipt{
			Position: events.Position(rapid.Uint64().Draw(t, "position")), Time: rapid.Int64().Draw(t, "time"),
			Replayed: rapid.Bool().Draw(t, "replayed"), DryRun: rapid.Bool().Draw(t, "dry"), EventsCut: rapid.Bool().Draw(t, "cut"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			r.Events = append(r.Events, cordoned(text.Draw(t, "node")))
		}
		got, err := sendAnswer(t, w, answerOf(r, nil)).result("s1")
		if diff := cmp.Diff(r, got, protocmp.Transform()); diff != "" || err != nil {
			t.Fatalf("%v (-sent +received):\n%s", err, diff)
		}
		no := &commands.Rejected{
			Kind: commands.Kind(rapid.Uint8().Draw(t, "kind")), Reason: text.Draw(t, "reason"), Message: text.Draw(t, "message"),
			Field: text.Draw(t, "field"), Allowed: text.Draw(t, "allowed"), CurrentVersion: rapid.Uint64().Draw(t, "version"),
			LogTime: rapid.Int64().Draw(t, "log time"),
		}
		_, err = sendAnswer(t, w, answerOf(commands.Receipt{}, fmt.Errorf("shell: %w", no))).result("s1")
		var came *commands.Rejected
		if !errors.As(err, &came) || cmp.Diff(no, came) != "" {
			t.Fatalf("%+v came as %v", no, err)
		}
	})
	sentinels := []error{ErrOverloaded, ErrNotLeader, ErrNewerRelease, ErrOlderLeader, ErrOutcomeUnknown, store.ErrLogFull}
	for _, want := range sentinels {
		_, err := sendAnswer(t, w, answerOf(commands.Receipt{}, fmt.Errorf("%w: %w", want, io.ErrUnexpectedEOF))).result("s1")
		for _, s := range sentinels {
			if errors.Is(err, s) != (s == want) {
				t.Errorf("%v came as %v", want, err)
			}
		}
	}
	for sent, want := range map[error]error{
		untried(context.DeadlineExceeded):                                 context.DeadlineExceeded,
		untried(context.Canceled):                                         ErrNotLeader, // the leader's own end
		fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.DeadlineExceeded): ErrOutcomeUnknown,
		errors.New("what nobody thought of"):                              ErrOutcomeUnknown,
	} {
		if _, err := sendAnswer(t, w, answerOf(commands.Receipt{}, sent)).result("s1"); !errors.Is(err, want) {
			t.Errorf("%v came as %v", sent, err)
		}
	}
	if _, err := (wireAnswer{Outcome: 200}).result("s1"); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("an outcome of a newer release: %v", err)
	}
	if _, err := (wireAnswer{Events: [][]byte{{0xff}}}).result("s1"); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("an event that is none: %v", err)
	}
}

func cordoned(node string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: node}}}
}

// sendAnswer takes an answer over the wire.
func sendAnswer(t rapid.TB, w wire, a wireAnswer) wireAnswer {
	b, err := w.enc.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > a.size() {
		t.Errorf("an answer of %d bytes says that it has %d", len(b), a.size())
	}
	var out wireAnswer
	if err := w.lenient.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFit: whatever the answers of a batch are, they go into one message; no
// outcome is lost for it, and what was small is whole.
func TestFit(t *testing.T) {
	w := wireOf(t)
	cut := 0
	defer func() {
		if cut == 0 {
			t.Error("no answer was ever cut")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, maxBatch).Draw(t, "answers")
		huge := rapid.IntRange(0, 8).Draw(t, "huge") // of them
		answers := make([]wireAnswer, n)
		small := make([]bool, n)
		for i := range answers {
			size := rapid.SampledFrom([]int{1, 100, 1 << 10, 4 << 10, 16 << 10}).Draw(t, "size")
			if i < huge {
				size = 400 << 10
			}
			small[i] = size <= 1<<10
			switch long := strings.Repeat("é", size/2); rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				answers[i] = answerOf(commands.Receipt{Position: 7, Events: []*eventsv1.Event{cordoned(long), cordoned("")}}, nil)
			case 1:
				many := make([]*eventsv1.Event, 1+size/64)
				for k := range many {
					many[k] = cordoned("n1")
				}
				answers[i] = answerOf(commands.Receipt{Position: 7, Events: many}, nil)
			default:
				answers[i] = answerOf(commands.Receipt{Position: 7}, &commands.Rejected{Reason: "no", Message: long})
			}
		}
		before, sizes := append([]wireAnswer(nil), answers...), make([]int, n)
		for i := range answers {
			sizes[i] = answers[i].size()
		}
		fit(answers)
		b, err := w.enc.Marshal(reply{Answers: answers, Barrier: &wireAnswer{}})
		if err != nil || len(b) > MaxMessage {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		for i, a := range answers {
			was := before[i]
			if a.Position != 7 || a.Outcome != was.Outcome || (a.Rejected != nil && a.Rejected.Reason != "no") {
				t.Fatalf("answer %d is %+v, was %+v", i, a, was)
			}
			shorter := a.size() != sizes[i]
			if shorter {
				cut++
			}
			if shorter && (small[i] || was.Rejected == nil && !a.EventsCut) || len(a.Events) > len(was.Events) {
				t.Fatalf("answer %d has %d events of %d, %d bytes of %d", i, len(a.Events), len(was.Events), a.size(), sizes[i])
			}
			if a.EventsCut && len(a.Events) == 0 {
				t.Fatalf("answer %d has no event left", i)
			}
		}
	})
	e := typeOnly(cordoned("n1"))
	if events.TypeOf(e) != "NodeCordoned" || e.GetNodeCordoned().GetNodeId() != "" {
		t.Errorf("an event without content is %v", e)
	}
}

// leads is a local sequencer that answers every command with position 1.
type leads struct{ got []commands.Request }

func (l *leads) Submit(_ context.Context, r commands.Request) (commands.Receipt, error) {
	l.got = append(l.got, r)
	return commands.Receipt{Position: 1}, nil
}

func (l *leads) SubmitAll(ctx context.Context, rs []commands.Request, answer func(int, commands.Receipt, error)) {
	for i, r := range rs {
		receipt, err := l.Submit(ctx, r)
		answer(i, receipt, err)
	}
}

func (l *leads) Barrier(context.Context) (events.Position, error) { return 1, nil }
func (l *leads) Status() Status                                   { return Status{Leading: true} }

func serving(t testing.TB) (*Forwarder, *leads) {
	l := &leads{}
	f, err := NewForwarder(ForwardOptions{Server: "s1", Local: l, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f, l
}

// TestServeNewerRelease: a request with something that this release does not know
// is refused as not tried, and alone; a batch with something is refused whole.
func TestServeNewerRelease(t *testing.T) {
	f, l := serving(t)
	encode := func(v any) []byte {
		b, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good, err := f.wire.encode(&commands.Request{Command: membership.Cordon{NodeID: "n1"}, Actor: "user/a"})
	if err != nil {
		t.Fatal(err)
	}
	cordon := func(more map[string]any) map[string]any {
		cmd := map[string]any{"NodeID": "n1"}
		for k, v := range more {
			cmd[k] = v
		}
		return cmd
	}
	in := encode(ask{Wait: int64(time.Second), Requests: []cbor.RawMessage{
		encode(map[int]any{1: "membership.Cordon", 2: cbor.RawMessage(encode(cordon(map[string]any{"Until": 9}))), 3: "user/a"}),
		good,
		encode(map[int]any{1: "membership.Cordon", 2: cordon(nil), 3: "user/a", 40: "new"}),
		encode(map[int]any{1: "membership.Explode", 2: cordon(nil), 3: "user/a"}),
		encode(map[int]any{1: "membership.Cordon", 2: cordon(nil), 3: "user/a", 8: []byte{1}}),
		{0xf6},
	}})
	var out reply
	if err := f.wire.lenient.Unmarshal(f.Serve(t.Context(), in), &out); err != nil || len(out.Answers) != 6 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, a := range out.Answers {
		r, err := a.result("s1")
		if done := i == 1; (done && (err != nil || r.Position != 1)) || (!done && !errors.Is(err, ErrOlderLeader)) {
			t.Errorf("request %d: %+v, %v", i, r, err)
		}
	}
	if len(l.got) != 1 {
		t.Errorf("%d commands were tried", len(l.got))
	}
	tooMany := make([]cbor.RawMessage, maxBatch+1)
	for i := range tooMany {
		tooMany[i] = good
	}
	for name, in := range map[string][]byte{
		"a field of a newer release": encode(map[int]any{1: 5, 3: []cbor.RawMessage{good}, 9: true}),
		"too many requests":          encode(ask{Requests: tooMany}),
		"no batch":                   []byte("hello"),
		"nothing":                    nil,
	} {
		var out reply
		if err := f.wire.lenient.Unmarshal(f.Serve(t.Context(), in), &out); err != nil || out.All == nil {
			t.Errorf("%s: %+v, %v", name, out, err)
			continue
		}
		if _, err := out.All.result("s1"); !errors.Is(err, ErrOlderLeader) || len(l.got) != 1 {
			t.Errorf("%s: %v, %d commands were tried", name, err, len(l.got))
		}
	}
}

// TestReplyOfNewerRelease: what a newer leader says beside the outcome is passed
// over.
func TestReplyOfNewerRelease(t *testing.T) {
	b, err := cbor.Marshal(map[int]any{2: []any{map[int]any{2: 7, 77: "news"}}, 99: true})
	if err != nil {
		t.Fatal(err)
	}
	var out reply
	if err := wireOf(t).lenient.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if r, err := out.Answers[0].result("s1"); err != nil || r.Position != 7 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestServeBound: a leader works on so many batches at a time and no more.
func TestServeBound(t *testing.T) {
	f, l := serving(t)
	for range maxServing {
		f.serving <- struct{}{}
	}
	var out reply
	if err := f.wire.lenient.Unmarshal(f.Serve(t.Context(), []byte{0xa0}), &out); err != nil || out.All == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := out.All.result("s1"); !errors.Is(err, ErrOverloaded) || len(l.got) != 0 {
		t.Errorf("%v", err)
	}
}

// FuzzServe: no bytes stop a leader, and each gets an answer that can be read.
func FuzzServe(f *testing.F) {
	server, _ := serving(f)
	for _, c := range model.Commands() {
		b, err := server.wire.encode(&commands.Request{Command: c, Actor: "user/a", Key: commands.Key{1}, Hash: events.Hash{1}})
		if err != nil {
			f.Fatal(err)
		}
		in, err := server.wire.enc.Marshal(ask{Wait: 5, Barrier: true, Requests: []cbor.RawMessage{b, b}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		server, _ := serving(t)
		var out reply
		if err := server.wire.lenient.Unmarshal(server.Serve(t.Context(), in), &out); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzAnswer: no bytes of a leader stop a server.
func FuzzAnswer(f *testing.F) {
	w := wireOf(f)
	for _, a := range []wireAnswer{
		answerOf(commands.Receipt{Position: 7, Events: []*eventsv1.Event{cordoned("n1")}}, nil), answerOf(commands.Receipt{}, ErrNotLeader),
	} {
		b, err := w.enc.Marshal(reply{Answers: []wireAnswer{a}, Barrier: &a})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var out reply
		if w.lenient.Unmarshal(b, &out) != nil {
			return
		}
		for _, a := range out.Answers {
			_, _ = a.result("s1")
		}
	})
}
