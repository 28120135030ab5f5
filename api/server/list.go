package server

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// table is how a small table is listed: by its key, page after page without
// sorting, or by another of its fields.
type table[M any] struct {
	each   func(v *projections.View, after string, at events.Position, fn func(M) bool) error
	key    func(M) string
	fields []ordering[M]
}

// ordering is a field that a list can be ordered by.
type ordering[M any] struct {
	name    string
	compare func(a, b M) int
}

func byText[M any](name string, of func(M) string) ordering[M] {
	return ordering[M]{name, func(a, b M) int { return cmp.Compare(of(a), of(b)) }}
}

func byNumber[M any, N cmp.Ordered](name string, of func(M) N) ordering[M] {
	return ordering[M]{name, func(a, b M) int { return cmp.Compare(of(a), of(b)) }}
}

func byTime[M any](name string, of func(M) *timestamppb.Timestamp) ordering[M] {
	return ordering[M]{name, func(a, b M) int { return of(a).AsTime().Compare(of(b).AsTime()) }}
}

// order finds the ordering that is asked for; nil is the key's own.
func order[M any](fields []ordering[M], by string) (func(a, b M) int, error) {
	if by == "" {
		return nil, nil
	}
	name, descending := strings.CutPrefix(by, "-")
	for _, f := range fields {
		if f.name != name {
			continue
		}
		if descending {
			return func(a, b M) int { return f.compare(b, a) }, nil
		}
		return f.compare, nil
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return nil, badField("orderBy", strings.Join(names, ", ")+`, "-" before it for descending`, "is %.80q", by)
}

// page returns the rows of one page that match, and the cursor of the next.
func (t table[M]) page(r *reading, match func(M) bool, by string, size int, cursor string) (rows []M, next string, err error) {
	compare, err := order(t.fields, by)
	if err != nil || r.empty {
		return nil, "", err
	}
	if compare != nil {
		return sorted(func(fn func(M) bool) error { return t.each(r.View, "", r.at, fn) }, match, compare, size, cursor)
	}
	err = t.each(r.View, cursor, r.at, func(row M) bool {
		if !match(row) {
			return true
		}
		if len(rows) == size {
			next = t.key(rows[size-1])
			return false
		}
		rows = append(rows, row)
		return true
	})
	return rows, next, err
}

// sorted is a page of rows that were gathered and ordered; its cursor counts
// rows, which holds because the state is pinned. Equal rows stay in the order
// of their keys.
func sorted[M any](each func(func(M) bool) error, match func(M) bool, compare func(a, b M) int, size int, cursor string) ([]M, string, error) {
	skip := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			return nil, "", badField("pageToken", "the token of the page before", "is no page token")
		}
		skip = n
	}
	var all []M
	tooManyRows := false
	err := each(func(row M) bool {
		if match(row) {
			tooManyRows = len(all) == MaxSorted
			all = append(all, row)
		}
		return !tooManyRows
	})
	if err != nil {
		return nil, "", err
	}
	if tooManyRows {
		return nil, "", badField("orderBy", "no order, or a filter that matches fewer", "would sort more than %d rows", MaxSorted)
	}
	slices.SortStableFunc(all, compare)
	all = all[min(skip, len(all)):]
	if len(all) <= size {
		return all, "", nil
	}
	return all[:size], strconv.Itoa(skip + size), nil
}

// listETag is the tag of a list as it was at the position of a reading. changed
// is where the table last changed. Of a past before that, where the table had
// last changed then is not kept, and finding it would read the rows; the position
// itself serves. So equal tags are of equal lists, which is what a 304 rests on,
// and a list of the past may get another tag once, when its table changes for the
// first time after it: its reader gets the same rows again.
func listETag(r *reading, changed events.Position) string {
	return versionETag(int64(min(changed, r.position())))
}
