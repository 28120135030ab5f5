package archive

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// cutFrame returns a frame with the decisions up to a position, which must be the
// end of one. It is encoded anew, so its hash is another; what it holds is as it
// was stored, events of newer releases included.
func cutFrame(stored []byte, to events.Position) ([]byte, error) {
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(stored, f); err != nil {
		return nil, fmt.Errorf("frame at position %d: %w", to, err)
	}
	before := events.Position(f.First) - 1
	end := before
	for i, d := range f.Decisions {
		end += events.Position(len(d.Events))
		if end >= to {
			f.Decisions = f.Decisions[:i+1]
			break
		}
		before = end
	}
	if end != to {
		return nil, fmt.Errorf("%w: position %d is inside of a decision (allowed: %d, before it, or %d, its end)", ErrPosition, to, before, end)
	}
	return events.Marshal(f)
}
