package events_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// genesis is the first frame of a log.
func genesis(t testing.TB) *eventsv1.Frame {
	f := following(events.Head{LogID: before().LogID, Era: 1, Time: before().Time - 1_000_000_000},
		event(t, &eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1}))
	return f
}

// chain is a short log: genesis, then frames of one, two and three events.
func chain(t testing.TB) [][]byte {
	t.Helper()
	frames := [][]byte{stored(t, genesis(t))}
	_, h, err := events.Head{}.Next(frames[0])
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		var evs []*eventsv1.Event
		for range n + 1 {
			evs = append(evs, event(t, &eventsv1.NodeCordoned{NodeId: "n1"}))
		}
		b := stored(t, following(h, evs...))
		if _, h, err = h.Next(b); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b)
	}
	return frames
}

// walk follows frames from the start and returns the last good head.
func walk(frames [][]byte) (events.Head, error) {
	h := events.Head{}
	for _, b := range frames {
		_, next, err := h.Next(b)
		if err != nil {
			return h, err
		}
		h = next
	}
	return h, nil
}

func wantBroken(t *testing.T, err error, at events.Position, problem string) {
	t.Helper()
	var broken *events.ChainError
	if !errors.As(err, &broken) {
		t.Fatalf("error is %v, want a ChainError", err)
	}
	if broken.Position != at || !strings.Contains(broken.Problem, problem) {
		t.Errorf("broken at %d: %q; want at %d: %q", broken.Position, broken.Problem, at, problem)
	}
	if !strings.Contains(err.Error(), at.String()) {
		t.Errorf("%q does not name position %d", err, at)
	}
}

func TestChainFollows(t *testing.T) {
	frames := chain(t)
	h, err := walk(frames)
	if err != nil {
		t.Fatal(err)
	}
	last := frames[len(frames)-1]
	if h.Position != 7 || h.Era != 1 || h.Hash != events.HashOf(last) || h.LogID != before().LogID {
		t.Errorf("head is %+v", h)
	}
}

// TestAfter: a chain may be followed from any of its frames, and is verified from the
// next one on.
func TestAfter(t *testing.T) {
	frames := chain(t)
	want, err := walk(frames)
	if err != nil {
		t.Fatal(err)
	}
	h := events.Head{}
	for _, b := range frames[2:] {
		if h, err = h.After(b); err != nil {
			t.Fatal(err)
		}
	}
	if h != want {
		t.Errorf("head is %+v, want %+v", h, want)
	}
	_, err = h.After(frames[1])
	wantBroken(t, err, 8, "")
}

// TestChainBreaks: every way in which one frame can be wrong is found at that
// frame, named by position, and the head stays (T1, T5).
func TestChainBreaks(t *testing.T) {
	era := func(f *eventsv1.Frame, era, restored, next uint64) {
		f.Era, f.First = era, next
		f.Decisions[0].Events = []*eventsv1.Event{event(t, &eventsv1.EraStarted{ClusterId: "c1", Era: era, RestoredPosition: restored, Next: next})}
	}
	for name, c := range map[string]struct {
		change  func(*eventsv1.Frame)
		problem string
	}{
		"previous hash":       {func(f *eventsv1.Frame) { f.PrevHash[3] ^= 1 }, "previous hash"},
		"no previous hash":    {func(f *eventsv1.Frame) { f.PrevHash = nil }, "previous hash"},
		"hash cut":            {func(f *eventsv1.Frame) { f.PrevHash = f.PrevHash[:31] }, "previous hash"},
		"position ahead":      {func(f *eventsv1.Frame) { f.First++ }, "starts at position 43"},
		"position behind":     {func(f *eventsv1.Frame) { f.First-- }, "starts at position 41"},
		"other log":           {func(f *eventsv1.Frame) { f.LogId[0] = 0xff }, "frame is of log ff"},
		"log id cut":          {func(f *eventsv1.Frame) { f.LogId = f.LogId[:15] }, "log id has 15 bytes"},
		"no log id":           {func(f *eventsv1.Frame) { f.LogId = nil }, "log id has 0 bytes"},
		"time backwards":      {func(f *eventsv1.Frame) { f.Time = before().Time - 1 }, "time runs backwards"},
		"no event":            {func(f *eventsv1.Frame) { f.Decisions[0].Events = nil }, "no event"},
		"no decision":         {func(f *eventsv1.Frame) { f.Decisions = nil }, "no event"},
		"era without event":   {func(f *eventsv1.Frame) { f.Era = 2 }, "without an EraStarted"},
		"era backwards":       {func(f *eventsv1.Frame) { f.Era = 0 }, "without an EraStarted"},
		"same era again":      {func(f *eventsv1.Frame) { era(f, 1, 41, 42) }, "era 1 starts after era 1"},
		"era at other number": {func(f *eventsv1.Frame) { era(f, 2, 41, 50); f.Era = 3 }, "does not match"},
		"era not as declared": {func(f *eventsv1.Frame) { era(f, 2, 41, 50); f.First = 51 }, "does not match"},
		"era of other past":   {func(f *eventsv1.Frame) { era(f, 2, 40, 50) }, "does not match"},
		"past all positions":  {func(f *eventsv1.Frame) { era(f, 2, 41, 1<<64-1) }, "positions end at"},
		"era over old ground": {func(f *eventsv1.Frame) { era(f, 2, 41, 41) }, "era starts at position 41"},
		"too many events": {func(f *eventsv1.Frame) {
			e := f.Decisions[0].Events[0]
			for range events.MaxFrameEvents {
				f.Decisions[0].Events = append(f.Decisions[0].Events, e)
			}
		}, "4097 events"},
	} {
		t.Run(name, func(t *testing.T) {
			f := proto.Clone(following(before(), event(t, &eventsv1.NodeLeft{NodeId: "n1"}))).(*eventsv1.Frame)
			if _, _, err := before().Next(stored(t, f)); err != nil {
				t.Fatalf("the frame is wrong before it is changed: %v", err)
			}
			c.change(f)
			_, h, err := before().Next(stored(t, f))
			wantBroken(t, err, 42, c.problem)
			if h != before() {
				t.Errorf("head moved to %+v", h)
			}
		})
	}
}

// TestGenesis: a log begins with EraStarted of era 1 at position 1, and with
// nothing else.
func TestGenesis(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*eventsv1.Frame)
		problem string
	}{
		"names a frame before": {func(f *eventsv1.Frame) { f.PrevHash = make([]byte, events.HashSize) }, "first frame names"},
		"without era": {func(f *eventsv1.Frame) {
			f.Era, f.Decisions[0].Events[0] = 0, event(t, &eventsv1.NodeLeft{NodeId: "n"})
		}, "does not begin a log"},
		"era 1 without event": {func(f *eventsv1.Frame) { f.Decisions[0].Events[0] = event(t, &eventsv1.NodeLeft{NodeId: "n"}) }, "does not begin a log"},
		"later position": {func(f *eventsv1.Frame) {
			f.First, f.Decisions[0].Events[0].GetEraStarted().Next = 9, 9
		}, "does not begin a log"},
		"later era": {func(f *eventsv1.Frame) {
			f.Era, f.Decisions[0].Events[0].GetEraStarted().Era = 2, 2
		}, "does not begin a log"},
		"restored": {func(f *eventsv1.Frame) { f.Decisions[0].Events[0].GetEraStarted().RestoredPosition = 1 }, "does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			f := genesis(t)
			c.change(f)
			_, _, err := events.Head{}.Next(stored(t, f))
			wantBroken(t, err, 1, c.problem)
		})
	}
}

// TestEraHole: a restore opens an era above a hole that it declares; the
// positions in it are void and those after it go on.
func TestEraHole(t *testing.T) {
	f := goldenFrame(before(), event(t, &eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: 41, Next: 1000}))
	_, h, err := before().Next(stored(t, f))
	if err != nil {
		t.Fatal(err)
	}
	if h.Era != 2 || h.Position != 1000 {
		t.Fatalf("head is era %d at position %d, want era 2 at 1000", h.Era, h.Position)
	}
	if _, _, err := h.Next(stored(t, following(h, event(t, &eventsv1.NodeLeft{NodeId: "n1"})))); err != nil {
		t.Fatal(err)
	}
	old := following(h, event(t, &eventsv1.NodeLeft{NodeId: "n1"}))
	old.Era = 1
	_, _, err = h.Next(stored(t, old))
	wantBroken(t, err, 1001, "era 1 follows era 2")
}

// TestFrameLostOrMoved: missing, repeated and reordered frames, and a log that
// is joined from two, are found at the first place where they show.
func TestFrameLostOrMoved(t *testing.T) {
	a := chain(t)
	other := genesis(t)
	other.LogId = bytes.Repeat([]byte{7}, 16)
	for name, c := range map[string]struct {
		frames [][]byte
		at     events.Position
	}{
		"missing":     {[][]byte{a[0], a[2], a[3]}, 2},
		"first":       {[][]byte{a[1], a[2]}, 1},
		"twice":       {[][]byte{a[0], a[1], a[1]}, 3},
		"reordered":   {[][]byte{a[0], a[1], a[3], a[2]}, 3},
		"from others": {[][]byte{stored(t, other), a[1]}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := walk(c.frames)
			wantBroken(t, err, c.at, "")
		})
	}
}

// TestEveryByteCounts: a frame with any one bit changed is refused itself or by
// the frame after it. The last frame of a log has no such witness; that is what
// the anchor beside the store is for.
func TestEveryByteCounts(t *testing.T) {
	frames := chain(t)
	for i := range len(frames) - 1 {
		for at := range frames[i] {
			for bit := range 8 {
				changed := append([][]byte(nil), frames...)
				changed[i] = bytes.Clone(frames[i])
				changed[i][at] ^= 1 << bit
				h, err := walk(changed)
				if err == nil {
					t.Fatalf("frame %d, byte %d, bit %d: not found", i, at, bit)
				}
				if h.Position > 7 {
					t.Fatalf("frame %d, byte %d, bit %d: followed to %d", i, at, bit, h.Position)
				}
			}
		}
	}
}

// TestFutureEvent: an event of a type that this release does not know keeps its
// position and its bytes (T6).
func TestFutureEvent(t *testing.T) {
	f := following(before(), event(t, &eventsv1.NodeLeft{NodeId: "n1"}), &eventsv1.Event{}, event(t, &eventsv1.NodeLeft{NodeId: "n2"}))
	future := protowire.AppendTag(nil, 9000, protowire.BytesType)
	future = protowire.AppendBytes(future, []byte{0x0a, 0x01, 'x'})
	f.Decisions[0].Events[1].ProtoReflect().SetUnknown(future)
	b := stored(t, f)
	got, h, err := before().Next(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Position != 44 {
		t.Errorf("head is at %d, want 44", h.Position)
	}
	var types []string
	var positions []events.Position
	if err := events.Each(got, func(r events.Recorded) error {
		types, positions = append(types, events.TypeOf(r.Event)), append(positions, r.Position)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Join(types, " ") != "NodeLeft Unknown NodeLeft" || positions[0] != 42 || positions[2] != 44 {
		t.Errorf("types %v at %v", types, positions)
	}
	if !bytes.Equal(stored(t, got), b) {
		t.Error("the unknown event loses bytes when it is encoded again")
	}
}

// TestEach: positions are dense over decisions, and every event knows the last
// position of its decision.
func TestEach(t *testing.T) {
	e := event(t, &eventsv1.NodeLeft{NodeId: "n1"})
	f := &eventsv1.Frame{First: 10, Time: 5, Decisions: []*eventsv1.Decision{
		{Meta: &eventsv1.Meta{Actor: "a"}, Events: []*eventsv1.Event{e, e}},
		{Meta: &eventsv1.Meta{Actor: "b"}},
		{Meta: &eventsv1.Meta{Actor: "c"}, Events: []*eventsv1.Event{e}},
	}}
	type seen struct {
		at, decision events.Position
		actor        string
	}
	var got []seen
	_ = events.Each(f, func(r events.Recorded) error {
		got = append(got, seen{r.Position, r.Decision, r.Meta.Actor})
		return nil
	})
	want := []seen{{10, 11, "a"}, {11, 11, "a"}, {12, 12, "c"}}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
	stop := errors.New("stop")
	calls := 0
	if err := events.Each(f, func(events.Recorded) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("error %v after %d calls; Each must stop at the first", err, calls)
	}
	if n := events.CountEvents(f); n != 3 {
		t.Errorf("counts %d events, want 3", n)
	}
}

func TestMarshalRefusesLargeFrames(t *testing.T) {
	f := following(before(), event(t, &eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{MeshVersion: strings.Repeat("x", events.MaxFrameBytes)}}))
	if _, err := events.Marshal(f); !errors.Is(err, events.ErrFrameTooLarge) {
		t.Errorf("error is %v, want ErrFrameTooLarge", err)
	}
}
