// Package eventsv1 is what stands on the log: the frame, its decisions, and one
// message per event type, generated from the .proto files beside it.
//
// It promises that what was once written can be read: field numbers, types and
// event types are appended, never changed or reused. It holds no rules; package
// events reads and writes frames.
package eventsv1
