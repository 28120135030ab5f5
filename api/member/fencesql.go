package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
)

// DefaultFenceTable is the table of a [FenceSQL] that names none.
const DefaultFenceTable = "mesh_fences"

// FenceSQL keeps the highest fence of each scope in a table of the database that it
// guards, and looks at it in the transaction that writes. It promises, by scope:
//
//  1. No transaction commits with a fence below one that was committed before (L3),
//     over restarts of everybody, and whoever writes: the row is the memory.
//  2. Two transactions of different fences never commit side by side: each holds
//     the lock of the scope's row until it ends. So the higher one sees all that the
//     lower one wrote.
//
// It needs a database with transactions that lock the rows they update, such as
// PostgreSQL, MySQL (InnoDB) or SQLite, at any isolation level from READ COMMITTED
// up. The zero value writes "?" for parameters.
type FenceSQL struct {
	// Table is the name of the table; empty: DefaultFenceTable. It may be qualified.
	Table string
	// Param is how the database writes its nth parameter, from 1; nil is "?". For
	// PostgreSQL it is "$1": see [DollarParam].
	Param func(n int) string
}

// DollarParam writes parameters as PostgreSQL wants them.
func DollarParam(n int) string { return fmt.Sprintf("$%d", n) }

// sqlName is what a table may be called: it is put into statements as it is.
const sqlName = `^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,2}$`

func (f FenceSQL) table() (string, error) {
	if f.Table == "" {
		return DefaultFenceTable, nil
	}
	if ok, err := regexp.MatchString(sqlName, f.Table); err != nil || !ok {
		return "", fmt.Errorf("member: the table of fences is %.80q (allowed: letters, digits and _, with up to two dots)", f.Table)
	}
	return f.Table, nil
}

func (f FenceSQL) param(n int) string {
	if f.Param == nil {
		return "?"
	}
	return f.Param(n)
}

// Create makes the table, unless it is there.
func (f FenceSQL) Create(ctx context.Context, db *sql.DB) error {
	table, err := f.table()
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (scope VARCHAR(255) NOT NULL PRIMARY KEY, fence BIGINT NOT NULL, writes BIGINT NOT NULL)")
	if err != nil {
		return fmt.Errorf("member: make the table of fences: %w", err)
	}
	return nil
}

// Do runs fn in a transaction that holds the scope's row, and commits when it
// returns nil. It returns a [*StaleFenceError], an [ErrInvalidFence], what fn
// returned, or what the database said; then nothing was written.
func (f FenceSQL) Do(ctx context.Context, db *sql.DB, token FencingToken, fn func(tx *sql.Tx) error) error {
	if err := token.check(); err != nil {
		return err
	}
	err := f.try(ctx, db, token, fn)
	if !errors.Is(err, errNoFenceRow) {
		return err
	}
	// The first of this scope. Its row is made in a transaction of its own: where two
	// make it, one fails, and a failed statement ends a transaction in some databases.
	if made := f.insert(ctx, db, token.Scope); made != nil {
		if err := f.try(ctx, db, token, fn); !errors.Is(err, errNoFenceRow) {
			return err // another made it
		}
		return made
	}
	return f.try(ctx, db, token, fn)
}

func (f FenceSQL) try(ctx context.Context, db *sql.DB, token FencingToken, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("member: begin a fenced transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // of a committed one it does nothing
	if err := f.Admit(ctx, tx, token); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("member: commit a fenced transaction: %w", err)
	}
	return nil
}

// errNoFenceRow: nobody has written for the scope.
var errNoFenceRow = errors.New("member: the table of fences has no row of the scope")

// Admit lets a transaction of the caller write for a token, or says why not, with a
// [*StaleFenceError] or an [ErrInvalidFence]. Call it before the first write; the
// transaction must not commit when it fails. The scope's row must be there: Do makes
// it, and so does [FenceSQL.Introduce].
func (f FenceSQL) Admit(ctx context.Context, tx *sql.Tx, token FencingToken) error {
	table, err := f.table()
	if err != nil {
		return err
	}
	if err := token.check(); err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, "UPDATE "+table+" SET fence = "+f.param(1)+", writes = writes + 1 WHERE scope = "+f.param(2)+" AND fence <= "+f.param(3),
		token.Fence, token.Scope, token.Fence)
	if err != nil {
		return fmt.Errorf("member: raise the fence of %s: %w", token.Scope, err)
	}
	// The count of writes changes with each, for some databases count only rows that
	// did. What a SELECT says decides nothing: it may be of an older snapshot.
	switch n, err := res.RowsAffected(); {
	case err != nil:
		return fmt.Errorf("member: raise the fence of %s: %w", token.Scope, err)
	case n > 0:
		return nil
	}
	var highest int64
	err = tx.QueryRowContext(ctx, "SELECT fence FROM "+table+" WHERE scope = "+f.param(1), token.Scope).Scan(&highest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: %s (allowed: after Introduce, or by Do)", errNoFenceRow, token.Scope)
	case err != nil:
		return fmt.Errorf("member: read the fence of %s: %w", token.Scope, err)
	}
	return &StaleFenceError{Scope: token.Scope, Fence: token.Fence, Highest: highest}
}

// Introduce makes the row of a scope, unless it is there.
func (f FenceSQL) Introduce(ctx context.Context, db *sql.DB, scope string) error {
	if err := (FencingToken{Scope: scope, Fence: 1}).check(); err != nil {
		return err
	}
	made := f.insert(ctx, db, scope)
	if made == nil {
		return nil
	}
	table, err := f.table()
	if err != nil {
		return err
	}
	var there int64
	if err := db.QueryRowContext(ctx, "SELECT fence FROM "+table+" WHERE scope = "+f.param(1), scope).Scan(&there); err != nil {
		return made
	}
	return nil
}

func (f FenceSQL) insert(ctx context.Context, db *sql.DB, scope string) error {
	table, err := f.table()
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO "+table+" (scope, fence, writes) VALUES ("+f.param(1)+", 0, 0)", scope); err != nil {
		return fmt.Errorf("member: introduce %s to the table of fences: %w", scope, err)
	}
	return nil
}
