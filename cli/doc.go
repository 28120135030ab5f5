// Package cli is the command line of the mesh: the nouns and verbs of
// "omnirelay mesh", contexts, completion and version, as commands that
// cmd/omnirelay puts into its app and runs with [Main].
//
// It promises:
//
//  1. Flags work before and after arguments, and before the command's words.
//  2. Exit codes: 0 done; 1 failed; 2 usage or invalid value, or a destructive
//     verb without --yes and terminal; 3 not found; 4 refused by a rule; 5 not
//     allowed; 6 conflict; 7 timed out or unavailable; 8 difference found. A
//     feed whose reader has gone ends at once, with 141 as shells have it.
//  3. An error is one line on stderr: what, where, what is allowed. Stdout has
//     answers alone, so that a pipe never reads anything else.
//  4. With -o json a list is {"items":[…],"position":N,"nextPageToken":""}, a
//     record is the record, and a feed is one object per line.
//  5. Lists follow all pages, unless --page-size is given: then it is that page
//     and the token of the next.
//  6. A destructive verb asks on a terminal, and without one acts with --yes
//     alone. --dry-run never asks: it writes nothing.
//  7. Credentials go only to endpoints that their context names, and a token
//     goes over plain http to this machine alone.
//
// It talks to api/client and to nothing else of the server's, and it starts no
// goroutine but one per live table and one that waits for the reader of the
// output to go; they end with the verb.
package cli
