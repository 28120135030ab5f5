// Package kv keeps the rows of projections on disk, every version of every row,
// in one Pebble directory.
//
// A row has a primary key, opaque bytes, and the position of the event that
// wrote it. Nothing is overwritten: a newer position adds a version, a deletion
// adds a tombstone. A second keyspace holds the newest version alone, so that
// reading the present does not pay for the past. Beside rows a table may have an
// index, keys of the present alone, and series, ascending numbers under a name
// that are only ever added.
//
// # Promises
//
//  1. A batch is all or nothing, before and after a crash: rows, index entries,
//     positions and meta of one Commit are visible together or not at all. After
//     a crash the directory holds a prefix of the commits; how long a prefix is
//     not promised unless Sync or Flush returned.
//  2. A Snapshot never changes. Two reads of one Snapshot agree, however far the
//     writer has gone on.
//  3. GetAt and ListAt at position p show what Get and List showed when every
//     event up to p, and none after it, had been written.
//  4. Changes yields each (position, row) once, ordered by position and then by
//     primary key, and needs memory for one change at a time.
//  5. Positions of a table never go back: a write below the table's committed
//     position, or below an earlier write of the batch, fails the batch.
//  6. A Batch reads its own writes. A Batch that another commit has overtaken
//     does not commit: it fails with ErrStaleBatch.
//  7. Tables of one ID and different Versions share nothing; DropTable of one
//     leaves the other as it was.
//  8. Damage on disk is an error that wraps ErrCorrupt, never a panic and never a
//     row that was not written.
//  9. A directory of a newer format is refused with a *FormatError before
//     anything in it is touched.
//
// # What it does not do
//
// It does not know events, tables' schemas or the log; it does not prune old
// versions; it does not arbitrate between writers. It is not the truth: a lost
// directory is rebuilt from the log, which is why Commit does not wait for disk.
//
// # Goroutines
//
// One goroutine writes: it alone may call NewBatch, the Batch's methods,
// DropTable, Sync and Flush. Any number may read through Snapshots, Meta and
// Position. A large Commit writes tables in three goroutines and waits for them.
// Pebble owns the goroutines that flush and compact; they end in Close.
package kv
