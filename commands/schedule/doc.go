// Package schedule decides commands that are given later: once, or again and
// again, by the control leader, whoever that is then.
//
//  1. A schedule has a due, and fires when log time has come to it (T7): the
//     event ScheduleFired, and in the same decision the events of its command,
//     which commands/model decides. So it happens once, whoever leads: an attempt
//     names the due and its number, and is refused unless it is the next.
//  2. A command that a rule rejects is an outcome, not an error. It is tried again
//     after a pause that doubles, a bounded number of times; where that would be
//     at the next due or later, the next due takes its place.
//  3. However many dues were missed, at most one is made up for: what follows is
//     the first due after the decision. A first attempt is late when it comes more
//     than [Grace] after its due; a schedule that skips then passes it over.
//  4. It acts for who created it, under the reason and the ticket of the creation
//     ([State.OnBehalf]).
//  5. A paused schedule does not fire. Resumed, it goes on with its next due after
//     that; one that is due once keeps its due.
//  6. A schedule without a due any more is finished. It stays to be looked at until
//     it is removed, its name is used again, or [MaxSchedules] are reached and it
//     is the one that finished first.
//  7. The version of a schedule is the position of the last event about it, so that
//     it only rises, also over a removal.
//
// When it is due next is computed at the decision and is in the event: evolve knows
// no calendar, and a log is read the same by every release.
//
// Rejections: schedule_exists, schedule_not_found, schedule_paused,
// schedule_not_paused, schedule_finished, schedule_not_due, schedules_exhausted,
// too_large, invalid_field, version_mismatch.
package schedule
