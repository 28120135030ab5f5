package projections

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store/kv"
)

// DecisionInfo is what the projector remembers of a decision: where it is, who
// asked for it and why, and the types of its events.
type DecisionInfo struct {
	First, Last events.Position
	// Time of the frame, Unix nanoseconds.
	Time int64
	// Sequence of the frame's message on this server's log.
	Sequence                                                         uint64
	Actor, Reason, ChangeTicket, CorrelationID, CausationID, Command string

	kinds []kindRun
}

// EventInfo is one event of a decision without its payload.
type EventInfo struct {
	*DecisionInfo
	Position events.Position
	// Type is the event's message name, for example "ShardsAssigned".
	Type string
	// Cause is the number of the event's cause, where its type has one.
	Cause int32
}

// kindRun is a run of events of one type and cause.
type kindRun struct{ kind, cause, count int32 }

// Event returns what is known of one event of the decision.
func (d *DecisionInfo) Event(p events.Position) EventInfo {
	info := EventInfo{DecisionInfo: d, Position: p, Type: events.UnknownType}
	at := d.First
	for _, k := range d.kinds {
		if at += events.Position(k.count); p < at {
			info.Type, info.Cause = kindName(k.kind), k.cause
			break
		}
	}
	return info
}

func kindName(kind int32) string {
	fields := (*eventsv1.Event)(nil).ProtoReflect().Descriptor().Fields()
	if fd := fields.ByNumber(protoreflect.FieldNumber(kind)); fd != nil && fd.Message() != nil {
		return string(fd.Message().Name())
	}
	return events.UnknownType
}

// describe is the info of a decision that is on the log.
func (k kinds) describe(d *eventsv1.Decision, first events.Position, time int64, sequence uint64) *DecisionInfo {
	info := &DecisionInfo{}
	k.describeInto(info, d, first, time, sequence)
	return info
}

func (k kinds) describeInto(info *DecisionInfo, d *eventsv1.Decision, first events.Position, time int64, sequence uint64) {
	m := d.GetMeta()
	*info = DecisionInfo{
		First: first, Last: first + events.Position(len(d.Events)) - 1, Time: time, Sequence: sequence,
		Actor: m.GetActor(), Reason: m.GetReason(), ChangeTicket: m.GetChangeTicket(),
		CorrelationID: m.GetCorrelationId(), CausationID: m.GetCausationId(), Command: m.GetCommand(),
		kinds: info.kinds[:0],
	}
	for _, e := range d.Events {
		kind, cause := k.of(e)
		if n := len(info.kinds); n > 0 && info.kinds[n-1].kind == kind && info.kinds[n-1].cause == cause {
			info.kinds[n-1].count++
			continue
		}
		info.kinds = append(info.kinds, kindRun{kind, cause, 1})
	}
}

// append encodes the info as a key of the core table's index: the last
// position, so that a seek to any position finds its decision, and then the
// rest. An index key is one write where a versioned row would be three, and a
// decision never changes.
func (d *DecisionInfo) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(d.Last))
	dst = binary.AppendUvarint(dst, uint64(d.Last-d.First))
	dst = binary.AppendVarint(dst, d.Time)
	dst = binary.AppendUvarint(dst, d.Sequence)
	for _, s := range d.strings() {
		dst = binary.AppendUvarint(dst, uint64(len(*s)))
		dst = append(dst, *s...)
	}
	for _, k := range d.kinds {
		dst = binary.AppendUvarint(dst, uint64(k.kind))
		dst = binary.AppendVarint(dst, int64(k.cause))
		dst = binary.AppendUvarint(dst, uint64(k.count))
	}
	return dst
}

func (d *DecisionInfo) strings() [6]*string {
	return [6]*string{&d.Actor, &d.Reason, &d.ChangeTicket, &d.CorrelationID, &d.CausationID, &d.Command}
}

// parseDecision decodes what append wrote.
func parseDecision(key []byte) (*DecisionInfo, error) {
	r := infoReader{rest: key}
	d := &DecisionInfo{}
	if len(key) >= 8 {
		d.Last = events.Position(binary.BigEndian.Uint64(key))
		r.rest = key[8:]
	} else {
		r.bad = true
	}
	d.First = d.Last - events.Position(r.uvarint())
	d.Time = r.varint()
	d.Sequence = r.uvarint()
	for _, s := range d.strings() {
		*s = r.string()
	}
	for len(r.rest) > 0 && !r.bad {
		d.kinds = append(d.kinds, kindRun{int32(r.uvarint()), int32(r.varint()), int32(r.uvarint())})
	}
	if r.bad {
		return nil, fmt.Errorf("%w: entry %x of the index of decisions does not decode", kv.ErrCorrupt, key)
	}
	return d, nil
}

type infoReader struct {
	rest []byte
	bad  bool
}

func (r *infoReader) took(n int) bool {
	if n <= 0 || r.bad {
		r.bad = true
		return false
	}
	r.rest = r.rest[n:]
	return true
}

func (r *infoReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if !r.took(n) {
		return 0
	}
	return v
}

func (r *infoReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if !r.took(n) {
		return 0
	}
	return v
}

func (r *infoReader) string() string {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
