// Package loop runs controllers: it hands each the stored view and submits the
// commands that it wants.
//
// The simple story: whenever something was stored, or the moment came that a
// controller named, and this server has authority, ask the controller for
// commands, submit them, and do not ask again before the view shows their
// effect. What happened in between does not matter: a controller compares what
// is with what should be (level-triggered), so a wake-up may be missed or come
// twice.
//
// It promises:
//
//  1. A step happens only with authority, which is looked at after the view was
//     taken. Losing it later is harmless: the sequencer refuses the commands.
//  2. A controller does not step until its view has passed the receipts of all
//     commands of its last step.
//  3. Controllers do not wait for each other; a wake-up during a step is kept.
//  4. A rejected or failed command delays the next step, twice as long each
//     time, from [BackoffMin] to [BackoffMax]; a step whose commands all
//     succeeded, or that had none, resets that.
//  5. The actor of every command is "node/<server>", its reason the
//     controller's name and, where the command gives one, why.
//  6. The commands of one step are submitted together, at most [MaxInFlight] at
//     a time, so that they share frames. Their order is open: none may rest on
//     another's effect.
//  7. A command names the control term whose view it was decided on, and is tried
//     under no other: a step that stood still has no effect under a later grant.
//
// It knows no rule, keeps nothing across steps, and does not look at events.
//
// Goroutines: [Runner.Run] starts one for each controller; all end before it
// returns.
package loop
