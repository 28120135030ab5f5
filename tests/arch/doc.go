// Package arch holds the tests that keep the shape of the repository. They
// parse the sources of the working tree with go/parser; they do not ask
// `go list`, whose cached answer can hide a violation.
//
// They promise:
//
//  1. Ladder. A package imports only packages of lower rungs, and of its own
//     rung only what the table in ladder_test.go allows. A few imports are
//     refused whatever the rung: the store knows no commands, clients know no
//     server. Every package is in the table; an unknown one is a failure.
//     Test files may import their own rung, but nothing above it. A folder named
//     …test, or under tests/, is imported by tests alone.
//  2. Purity. The packages of rungs 0 and 1, and every step.go, apply.go and
//     plan.go, reach no file, network, lock, log, clock or chance.
//  3. Names. No two folders declare one package name, and none has a name that
//     says nothing (util, common, base, manager, helper).
//  4. Hygiene. No init function, no mutable package variable, no test that
//     sleeps, no test that is skipped without saying why.
//  5. Slices. Every event type has a golden, a description, one evolve in the
//     context of its block of field numbers (and elsewhere only for a reason), and
//     a table that shows it. Every RPC names its scope.
//  6. The rules that read sources are themselves tested on small ones that break
//     them.
//
// Generated files are exempt from all but the names. Build constraints are not
// evaluated: a file for another system obeys the same rules. A folder with its
// own go.mod, and folders named testdata or beginning with a dot or underscore,
// are not looked at.
//
// What they do not do: they check imports, not types. A pure package could still
// reach the clock through a value that it is handed; that is the point of
// handing it in.
package arch
