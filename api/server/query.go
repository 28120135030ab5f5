package server

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// query reads query parameters strictly: what was not asked for by done is
// refused, and so is what does not parse. The first error is kept.
type query struct {
	values url.Values
	known  map[string]bool
	err    error
}

func newQuery(raw string) *query {
	q := &query{known: map[string]bool{}}
	values, err := url.ParseQuery(raw)
	if err != nil {
		q.err = badField("query", "name=value pairs, percent-encoded", "does not parse: %s", err)
	}
	q.values = values
	return q
}

func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

// done refuses parameters that nobody asked for.
func (q *query) done() error {
	names := slices.Sorted(maps.Keys(q.known))
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		if q.known[name] {
			continue
		}
		reason := "is not a parameter of this path"
		if near := v1json.Nearest(name, names); near != "" {
			reason += ", did you mean " + near + "?"
		}
		allowed := strings.Join(names, ", ")
		if allowed == "" {
			allowed = "no parameters"
		}
		f := badField(name, allowed, "%s", reason)
		f.reason = "unknown_parameter"
		q.fail(f)
	}
	return q.err
}

// text is a parameter that is given at most once.
func (q *query) text(name string) string {
	q.known[name] = true
	switch all := q.values[name]; len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	default:
		q.fail(badField(name, "one value", "is given %d times", len(all)))
		return ""
	}
}

// texts is a parameter of several values: repeated, or separated by commas.
func (q *query) texts(name string) []string {
	q.known[name] = true
	var out []string
	for _, value := range q.values[name] {
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

// words is texts for an enum.
func words[E ~int32](q *query, name string, ed protoreflect.EnumDescriptor) []E {
	var out []E
	for _, word := range q.texts(name) {
		n, ok := v1json.ParseEnum(ed, word)
		if !ok {
			q.fail(badField(name, strings.Join(v1json.EnumWords(ed), ", "), "is %.80q", word))
		}
		out = append(out, E(n))
	}
	return out
}

// position is a position or 0 when it is not given; 0 itself is refused.
func (q *query) position(name string) int64 {
	value := q.text(name)
	if value == "" {
		q.empty(name)
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 {
		q.fail(badField(name, "a position, 1 or more", "is %.80q", value))
	}
	return n
}

// empty refuses a parameter that is there without a value.
func (q *query) empty(name string) {
	if q.values.Has(name) {
		q.fail(badField(name, "a value, or leave it out", "is empty"))
	}
}

// count is a number of rows, 0 when it is not given.
func (q *query) count(name string, most int) int32 {
	value := q.text(name)
	if value == "" {
		q.empty(name)
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		q.fail(badField(name, fmt.Sprintf("1 to %d", most), "is %.80q", value))
		return 0
	}
	return int32(n)
}

// page reads the parameters of lists.
func (q *query) page() (size int32, token, orderBy string) {
	return q.count("pageSize", MaxPage), q.text("pageToken"), q.text("orderBy")
}

// read reads the parameters of all reads.
func (q *query) read() *controlv1.ReadOptions {
	o := &controlv1.ReadOptions{MinPosition: q.position("minPosition")}
	q.asOf(o)
	switch word := q.text("consistency"); word {
	case "":
	case "linearizable":
		o.Consistency = controlv1.Consistency_CONSISTENCY_LINEARIZABLE
	default:
		q.fail(badField("consistency", "linearizable", "is %.80q", word))
	}
	return o
}

// asOf is a position, a time, or a span back from now.
func (q *query) asOf(o *controlv1.ReadOptions) {
	value := q.text("asOf")
	if value == "" {
		q.empty("asOf")
		return
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
		o.AsOfPosition = n
		return
	}
	if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
		o.AsOfTime = timestamppb.New(t)
		return
	}
	if d, err := time.ParseDuration(value); err == nil && d < 0 {
		o.AsOfTime = timestamppb.New(time.Now().Add(d))
		return
	}
	q.fail(badField("asOf", "a position (1 or more), a time (RFC 3339), or a span back like -5m", "is %.80q", value))
}
