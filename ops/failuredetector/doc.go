// Package failuredetector keeps on the log which servers of the control plane take
// part: the control leader notes when it does not hear one any more, and when it
// does again.
//
//  1. A server that was not heard for [SilentAfter] is noted as lost, silent; one
//     that said that it stops is noted as lost, stopped, as soon as that is heard.
//  2. A lost server that was heard within [HeardWithin] is noted as returned.
//  3. Silence counts from the moment at which authority was gained, for all servers
//     anew: a new leader accuses nobody of what happened before it listened. So a
//     change of leader alone notes nothing (L7).
//     The same holds for a server that returned by its own word on the log.
//  4. The server that leads is never lost.
//
// It is level-triggered: what the log says already is not asked for again. A note
// changes nothing but what is shown: which servers vote and which may lead is
// decided elsewhere, and a wrong verdict costs two events.
//
// [Step] is pure; [Detector] has one owner, the loop.
package failuredetector
