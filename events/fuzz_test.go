package events_test

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// FuzzHeadNext: arbitrary bytes are a frame that continues the log or a
// ChainError, never a panic; and what is accepted can be described.
func FuzzHeadNext(f *testing.F) {
	for _, m := range samples() {
		f.Add(stored(f, goldenFrame(before(), event(f, m))))
	}
	f.Add(stored(f, genesis(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range []events.Head{{}, before()} {
			frame, next, err := h.Next(b)
			if err != nil {
				var broken *events.ChainError
				if !errors.As(err, &broken) || broken.Position != h.Position+1 || next != h {
					t.Fatalf("error %v, head %+v after %+v", err, next, h)
				}
				continue
			}
			if next.Position <= h.Position || next.Time < h.Time || next.Era < h.Era {
				t.Fatalf("head went from %+v to %+v", h, next)
			}
			_ = events.Each(frame, func(r events.Recorded) error {
				events.Describe(r.Event)
				return nil
			})
		}
	})
}

// FuzzFlippedByte: a valid frame with any one byte changed does not pass, by
// itself and the frame that follows it together (T5).
func FuzzFlippedByte(f *testing.F) {
	frames := chain(f)
	f.Add(uint8(1), uint16(3), byte(1))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, mask byte) {
		if mask == 0 {
			return
		}
		changed := append([][]byte(nil), frames...)
		i := int(which) % (len(frames) - 1)
		changed[i] = bytes.Clone(frames[i])
		changed[i][int(at)%len(frames[i])] ^= mask
		if _, err := walk(changed); err == nil {
			t.Fatalf("frame %d with byte %d changed was followed to the end", i, int(at)%len(frames[i]))
		}
	})
}

// FuzzFrameCodec: what decodes encodes deterministically, and decodes to the
// same again.
func FuzzFrameCodec(f *testing.F) {
	for _, m := range samples() {
		f.Add(stored(f, following(before(), event(f, m))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first := &eventsv1.Frame{}
		if proto.Unmarshal(b, first) != nil {
			return
		}
		once, err := events.Marshal(first)
		if err != nil {
			return // over the limit
		}
		second := &eventsv1.Frame{}
		if err := proto.Unmarshal(once, second); err != nil {
			t.Fatalf("our own encoding does not decode: %v", err)
		}
		twice, err := events.Marshal(second)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("encoding is not stable (%v):\n%x\n%x", err, once, twice)
		}
	})
}
