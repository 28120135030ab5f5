package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/omnirelay/omnirelay/api/v1json"
)

// number and its like are how values look in tables.
func number(n int64) string { return strconv.FormatInt(n, 10) }

// known is a number of which 0 means none.
func known(n int64) string {
	if n == 0 {
		return "-"
	}
	return number(n)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesOrDash(yes bool) string {
	if yes {
		return "yes"
	}
	return "-"
}

func clock(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}

func labels(m map[string]string) string {
	pairs := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k+"="+m[k])
	}
	return dash(strings.Join(pairs, ","))
}

// enums reads the words of a flag that names values of an enum.
func enums[E ~int32](flag string, ed protoreflect.EnumDescriptor, words []string) ([]E, error) {
	values := make([]E, 0, len(words))
	for _, word := range words {
		n, ok := v1json.ParseEnum(ed, word)
		if !ok {
			return nil, usage("--%s: %q is unknown (allowed: %s)", flag, word, strings.Join(v1json.EnumWords(ed), ", "))
		}
		values = append(values, E(n))
	}
	return values, nil
}

// pairs reads "key=value" arguments; "key-" takes a label away, which is an
// empty value on the wire.
func pairs(args []string, removal bool) (map[string]string, error) {
	m := make(map[string]string, len(args))
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok && removal && strings.HasSuffix(arg, "-") {
			key, value, ok = strings.TrimSuffix(arg, "-"), "", true
		} else if value == "" {
			ok = false
		}
		if !ok || key == "" {
			allowed := "KEY=VALUE"
			if removal {
				allowed += ", or KEY- to take it away"
			}
			return nil, usage("label %q has no key or no value (allowed: %s)", arg, allowed)
		}
		if _, twice := m[key]; twice {
			return nil, usage("label %q is given twice", key)
		}
		m[key] = value
	}
	return m, nil
}

// shardRefs reads NS/ID arguments of one namespace; one that is given twice is
// meant once.
func shardRefs(args []string) (namespace string, ids []string, err error) {
	given := make(map[string]bool, len(args))
	for _, arg := range args {
		ns, id, err := shardRef(arg)
		if err != nil {
			return "", nil, err
		}
		if namespace != "" && ns != namespace {
			return "", nil, usage("shards of two namespaces, %s and %s (allowed: one namespace per call)", namespace, ns)
		}
		namespace = ns
		if !given[id] {
			given[id] = true
			ids = append(ids, id)
		}
	}
	return namespace, ids, nil
}

func shardRef(arg string) (namespace, id string, err error) {
	namespace, id, ok := strings.Cut(arg, "/")
	if !ok || namespace == "" || id == "" || strings.Contains(id, "/") {
		return "", "", usage("%q is no shard (allowed: NAMESPACE/ID, for example demo/7)", arg)
	}
	return namespace, id, nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
