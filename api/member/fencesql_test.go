//go:build !race

// Instrumented for races, SQLite takes minutes to compile; the code under test has no
// state of its own.

package member_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/api/member"
)

// database is an SQLite file of its own with the tables of a resource.
func database(t testing.TB, f member.FenceSQL) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(t.TempDir(), "db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for range 2 { // it may be there
		if err := f.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE written (scope TEXT, fence BIGINT, n INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	return db
}

func token(scope string, fence int64) member.FencingToken {
	return member.FencingToken{Scope: scope, Fence: fence}
}

// write writes one row under a token.
func write(ctx context.Context, f member.FenceSQL, db *sql.DB, tok member.FencingToken) error {
	return f.Do(ctx, db, tok, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO written (scope, fence) VALUES (?, ?)", tok.Scope, tok.Fence)
		return err
	})
}

func TestFenceSQL(t *testing.T) {
	f, ctx := member.FenceSQL{}, t.Context()
	db := database(t, f)
	for _, c := range []struct {
		fence int64
		stale int64 // the highest that refuses it; 0 is admitted
	}{{5, 0}, {5, 0}, {4, 5}, {9, 0}, {8, 9}, {5, 9}, {9, 0}} {
		err := write(ctx, f, db, token("shard/demo/1", c.fence))
		var stale *member.StaleFenceError
		switch {
		case c.stale == 0 && err != nil:
			t.Errorf("fence %d: %v", c.fence, err)
		case c.stale != 0 && (!errors.As(err, &stale) || *stale != member.StaleFenceError{Scope: "shard/demo/1", Fence: c.fence, Highest: c.stale}):
			t.Errorf("fence %d below %d: %v", c.fence, c.stale, err)
		}
	}
	if err := write(ctx, f, db, token("shard/demo/2", 1)); err != nil {
		t.Errorf("another scope: %v", err)
	}
	for _, bad := range []member.FencingToken{token("", 1), token("shard/demo/1", 0), token("shard/demo/1", -1)} {
		if err := write(ctx, f, db, bad); !errors.Is(err, member.ErrInvalidFence) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	// What fails leaves nothing, not even its fence.
	boom := errors.New("boom")
	if err := f.Do(ctx, db, token("shard/demo/1", 20), func(*sql.Tx) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("a write that fails: %v", err)
	}
	if err := write(ctx, f, db, token("shard/demo/1", 10)); err != nil {
		t.Errorf("after a write that failed: %v", err)
	}
	if n := rows(t, db); n != 6 {
		t.Errorf("%d rows were written, want 6", n)
	}
}

func rows(t testing.TB, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM written").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFenceSQLAdmit: a transaction of the caller's own.
func TestFenceSQLAdmit(t *testing.T) {
	f, ctx := member.FenceSQL{Table: "main.my_fences"}, t.Context()
	db := database(t, f)
	admit := func(fence int64) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Admit(ctx, tx, token("jobs/report", fence)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
	if err := admit(3); err == nil {
		t.Error("a scope without a row is admitted")
	}
	for range 2 {
		if err := f.Introduce(ctx, db, "jobs/report"); err != nil {
			t.Fatal(err)
		}
	}
	var stale *member.StaleFenceError
	if err := admit(3); err != nil {
		t.Error(err)
	}
	if err := admit(2); !errors.As(err, &stale) {
		t.Errorf("a stale fence: %v", err)
	}
	if err := f.Introduce(ctx, db, "jobs/report"); err != nil { // takes nothing back
		t.Error(err)
	}
	if err := admit(2); !errors.As(err, &stale) {
		t.Errorf("a stale fence: %v", err)
	}
	for _, name := range []string{"a b", "x;DROP TABLE written", "1a", "a.b.c.d", "ä"} {
		if err := (member.FenceSQL{Table: name}).Create(ctx, db); err == nil {
			t.Errorf("a table is called %q", name)
		}
	}
	if got := member.DollarParam(2); got != "$2" {
		t.Errorf("the second parameter is %s", got)
	}
}

// TestFenceSQLSideBySide: owners of different fences write at once, each as often
// as it is let: in the order of commits fences never fall (L3).
func TestFenceSQLSideBySide(t *testing.T) {
	f, ctx := member.FenceSQL{}, t.Context()
	db := database(t, f)
	var admitted, refused atomic.Int64
	var all sync.WaitGroup
	for fence := int64(1); fence <= 6; fence++ {
		all.Go(func() {
			for range 10 {
				err := write(ctx, f, db, token("shard/demo/1", fence))
				var stale *member.StaleFenceError
				switch {
				case err == nil:
					admitted.Add(1)
				case errors.As(err, &stale):
					refused.Add(1)
				default:
					t.Errorf("fence %d: %v", fence, err)
				}
			}
		})
	}
	all.Wait()
	list, err := db.QueryContext(ctx, "SELECT fence FROM written ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	last, n := int64(0), int64(0)
	for list.Next() {
		var fence int64
		if err := list.Scan(&fence); err != nil {
			t.Fatal(err)
		}
		if fence < last {
			t.Errorf("fence %d is written after %d", fence, last)
		}
		last, n = fence, n+1
	}
	if err := list.Err(); err != nil || n != admitted.Load() || last != 6 {
		t.Errorf("%d rows, the last of fence %d; %d admitted, %d refused; %v", n, last, admitted.Load(), refused.Load(), err)
	}
}

// TestFenceSQLIsAGuard: it admits what a guard with a store admits (L3).
func TestFenceSQLIsAGuard(t *testing.T) {
	f := member.FenceSQL{}
	db := database(t, f)
	scope := 0
	rapid.Check(t, func(rt *rapid.T) {
		guard, err := member.NewFenceGuard(nil)
		if err != nil {
			rt.Fatal(err)
		}
		scope++
		for range rapid.IntRange(1, 8).Draw(rt, "operations") {
			tok := token(fmt.Sprintf("s%d/%d", scope, rapid.IntRange(0, 1).Draw(rt, "scope")), rapid.Int64Range(0, 6).Draw(rt, "fence"))
			want, got := guard.Admit(tok.Scope, tok.Fence), write(t.Context(), f, db, tok)
			var a, b *member.StaleFenceError
			if (want == nil) != (got == nil) || errors.As(want, &a) != errors.As(got, &b) || a != nil && *a != *b {
				rt.Fatalf("%v: a guard says %v, the table %v", tok, want, got)
			}
		}
	})
}
