package harness

import (
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// one checks that there is exactly one problem, or none, and that it begins so.
func one(t *testing.T, got []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(got) == 0:
	case want != "" && len(got) == 1 && strings.HasPrefix(got[0], want):
	default:
		t.Errorf("problems %q, want one that begins with %q", got, want)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	acked := func(id string, at int64) record { return record{id: id, outcome: acknowledged, position: at} }
	no := errors.New("no")
	for name, c := range map[string]struct {
		records []record
		log     map[string][]int64
		want    string
	}{
		"good":          {[]record{acked("l-0-0", 3), acked("l-0-1", 5), acked("l-1-0", 4)}, map[string][]int64{"l-0-0": {3}, "l-0-1": {5}, "l-1-0": {4}}, ""},
		"lost":          {[]record{acked("l-0-0", 3)}, nil, "A1"},
		"twice":         {[]record{acked("l-0-0", 3)}, map[string][]int64{"l-0-0": {3, 7}}, "A2"},
		"elsewhere":     {[]record{acked("l-0-0", 3)}, map[string][]int64{"l-0-0": {4}}, "A2"},
		"refused":       {[]record{{id: "l-0-0", outcome: refused, err: no}}, nil, ""},
		"refused, done": {[]record{{id: "l-0-0", outcome: refused, err: no}}, map[string][]int64{"l-0-0": {4}}, "A6"},
		"unknown":       {[]record{{id: "l-0-0", err: no}, {id: "l-0-1", err: no}}, map[string][]int64{"l-0-0": {4}}, ""},
		"unknown twice": {[]record{{id: "l-0-0", err: no}}, map[string][]int64{"l-0-0": {4, 5}}, "A2"},
		"order":         {[]record{acked("l-0-0", 6), acked("l-0-1", 5)}, map[string][]int64{"l-0-0": {6}, "l-0-1": {5}}, "command l-0-1"},
	} {
		t.Run(name, func(t *testing.T) { one(t, judge(c.records, c.log), c.want) })
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spans []*span
		want  string
	}{
		"one after the other": {[]*span{{"n2", "a/0", 5, 21, 30}, {"n1", "a/0", 4, 10, 20}}, ""},
		"different shards":    {[]*span{{"n1", "a/0", 4, 10, 20}, {"n2", "a/1", 5, 15, 30}}, ""},
		"resumed":             {[]*span{{"n1", "a/0", 4, 10, 20}, {"n1", "a/0", 4, 25, 30}}, ""},
		"two owners":          {[]*span{{"n1", "a/0", 4, 10, 20}, {"n2", "a/0", 5, 20, 30}}, "S1"},
		"inside a long one":   {[]*span{{"n1", "a/0", 4, 10, 90}, {"n1", "a/1", 4, 0, 99}, {"n2", "a/0", 5, 50, 60}}, "S1"},
		"fence falls":         {[]*span{{"n1", "a/0", 9, 10, 20}, {"n2", "a/0", 5, 21, 30}}, "L2"},
	} {
		t.Run(name, func(t *testing.T) { one(t, overlaps(c.spans), c.want) })
	}
}

func TestLeaderships(t *testing.T) {
	t.Parallel()
	history := func(kinds ...string) []*controlv1.LogEvent {
		var all []*controlv1.LogEvent
		for _, kind := range kinds {
			id, kind, other := strings.Cut(kind, " ")
			if !other {
				id, kind = controlScope, id
			}
			all = append(all, &controlv1.LogEvent{Position: int64(len(all) + 1), Type: "Leadership" + kind, Id: id})
		}
		return all
	}
	one(t, leaderships(history("Granted", "Expired", "Granted", "Resigned", "Granted")), "")
	one(t, leaderships(history("Granted", "other Granted")), "")
	one(t, leaderships(history("Granted", "other Expired", "Granted")), "L4")
}

func TestOwners(t *testing.T) {
	t.Parallel()
	const (
		n1      = "SessionOpened nodeId=n1"
		n2      = "SessionOpened nodeId=n2"
		given   = "ShardsAssigned assignments nodeId=n1 session=1 shards=0-2,4"
		handed  = "ShardsHandedOver handovers from=n1 fromSession=1 to=n2 toSession=2 shards=1-2"
		closed1 = "SessionClosed nodeId=n1 session=1"
	)
	for name, c := range map[string]struct {
		history []string
		want    string
		owned   int
	}{
		"good":             {[]string{n1, n2, given, handed}, "", 4},
		"closed":           {[]string{n1, n2, given, handed, closed1}, "", 2},
		"released":         {[]string{n1, n2, given, "ShardsReleased releases nodeId=n1 session=1 shards=4", "ShardsAssigned assignments nodeId=n2 session=2 shards=4"}, "", 4},
		"owned already":    {[]string{n1, n2, given, "ShardsAssigned assignments nodeId=n2 session=2 shards=4"}, "S1", 4},
		"not its owner":    {[]string{n1, n2, given, "ShardsHandedOver handovers from=n2 fromSession=2 to=n1 toSession=1 shards=4"}, "S1", 4},
		"release of other": {[]string{n1, n2, given, "ShardsReleased releases nodeId=n2 session=2 shards=4"}, "S1", 3},
		"session ended":    {[]string{n1, n2, closed1, "ShardsAssigned assignments nodeId=n1 session=1 shards=4"}, "S3", 1},
	} {
		owners, problems := Owners(historyOf(t, c.history), "demo")
		t.Run(name, func(t *testing.T) { one(t, problems, c.want) })
		if len(owners) != c.owned {
			t.Errorf("%s: %d shards are owned, want %d: %v", name, len(owners), c.owned, owners)
		}
	}
	e := historyOf(t, []string{n1, given, "ShardsReleased releases nodeId=n1 session=1 shards=4", "ShardsAssigned assignments nodeId=n1 session=1 shards=4"})
	e[3].Position = 2
	_, problems := Owners(e, "demo")
	one(t, problems, "L2")
}

// historyOf makes events of lines: a type, a list if there is one, and fields.
func historyOf(t *testing.T, lines []string) []*controlv1.LogEvent {
	t.Helper()
	var all []*controlv1.LogEvent
	for _, line := range lines {
		words := strings.Fields(line)
		data, item, list := map[string]any{"namespace": "demo"}, map[string]any{}, ""
		for _, word := range words[1:] {
			name, value, found := strings.Cut(word, "=")
			switch {
			case !found:
				list = name
			case strings.HasSuffix(strings.ToLower(name), "session"):
				item[name] = float64(value[0] - '0')
			default:
				item[name] = value
			}
		}
		if data[list] = []any{item}; list == "" {
			data = item
		}
		fields, err := structpb.NewStruct(data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &controlv1.LogEvent{Position: int64(len(all) + 1), Type: words[0], Data: fields})
	}
	return all
}

func TestCompare(t *testing.T) {
	t.Parallel()
	log := func(end error, types ...string) iter.Seq2[*controlv1.LogEvent, error] {
		return func(yield func(*controlv1.LogEvent, error) bool) {
			for _, kind := range types {
				if !yield(&controlv1.LogEvent{Type: kind}, nil) {
					return
				}
			}
			if end != nil {
				yield(nil, end)
			}
		}
	}
	for name, c := range map[string]struct {
		a, b iter.Seq2[*controlv1.LogEvent, error]
		same int
		ok   bool
	}{
		"same":     {log(nil, "a", "b"), log(nil, "a", "b"), 2, true},
		"other":    {log(nil, "a", "b"), log(nil, "a", "c"), 1, false},
		"shorter":  {log(nil, "a"), log(nil, "a", "b"), 1, false},
		"longer":   {log(nil, "a", "b"), log(nil, "a"), 1, false},
		"a breaks": {log(errors.New("cut"), "a"), log(nil, "a", "b"), 1, false},
		"b breaks": {log(nil, "a"), log(errors.New("cut"), "a"), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			if same, err := compare(c.a, c.b); same != c.same || (err == nil) != c.ok {
				t.Errorf("%d the same, error %v; want %d, no error: %t", same, err, c.same, c.ok)
			}
		})
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	var s Skew
	clock := s.Clock()
	s.Set(time.Hour)
	ahead := clock()
	s.Set(-time.Hour)
	behind := clock()
	if d := time.Duration(ahead.Wall - behind.Wall); d < time.Hour || d > 2*time.Hour {
		t.Errorf("the wall clock went back by %s, want about 2h", d)
	}
	if behind.Boot < ahead.Boot {
		t.Errorf("the boot clock went back from %d to %d", ahead.Boot, behind.Boot)
	}
}

func TestSameRows(t *testing.T) {
	t.Parallel()
	list := func(names ...string) []proto.Message {
		var all []proto.Message
		for _, name := range names {
			all = append(all, &controlv1.Namespace{Namespace: name})
		}
		return all
	}
	for name, c := range map[string]struct {
		a, b []proto.Message
		same bool
	}{
		"same":    {list("a", "b"), list("a", "b"), true},
		"other":   {list("a", "b"), list("a", "c"), false},
		"shorter": {list("a"), list("a", "b"), false},
		"kind":    {list("a"), []proto.Message{&controlv1.Peer{}}, false},
	} {
		if err := sameRows(c.a, c.b); (err == nil) != c.same {
			t.Errorf("%s: %v", name, err)
		}
	}
}
