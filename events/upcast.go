package events

import eventsv1 "github.com/omnirelay/omnirelay/events/v1"

// SchemaVersion is the newest version of the event schema that this release
// writes. It rises when an event type or field is added.
const SchemaVersion = 5

// upcast turns an event that an older release wrote into the shape that this
// release works with. It is pure and total: a fact cannot be refused. The
// schema is at its first version, so every event already has that shape; the
// first change of a meaning adds its case here, beside the old golden in
// testdata that it must keep reading.
func upcast(e *eventsv1.Event) *eventsv1.Event { return e }
