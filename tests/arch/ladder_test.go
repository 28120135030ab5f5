package arch_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// place is where a package stands on the ladder.
type place struct {
	folder string
	rung   int
	// beside lists what it may import of its own rung, as path.Match patterns.
	beside []string
}

// ladder is the table of all packages. A folder that is not there yet may stand
// here: the table is also the plan. Add a new package in the line of its kind.
func ladder() []place {
	parent := func(folder string) []string { return []string{folder} }
	return slices.Concat(
		rung(0, nil, "events/v1", "api/v1", "api/v1json"),
		rung(0, []string{"events/v1"}, "events"),

		rung(1, nil, "commands", "commands/placement"),
		// Contexts never import each other: what one must ask another is a small
		// interface of its own.
		// Placement is no context but a pure library: its names and bounds are what
		// a namespace's strategy and a node's weight are checked against.
		rung(1, []string{"commands", "commands/placement"}, contexts()...),
		// The write model composes the contexts; it is pure as they are.
		rung(1, []string{"commands", "commands/*"}, "commands/model"),
		rung(1, parent("commands"), "commands/commandtest"),

		rung(2, nil, "store"),
		rung(2, parent("store"), "store/memlog", "store/kv", "store/mirror", "store/archive",
			"store/storetest"),
		// The log reads nats-server's files before it runs nats-server.
		rung(2, parent("store"), "store/natslog/jsfile", "store/natslog/embedded"),
		rung(2, []string{"store", "store/natslog/*"}, "store/natslog"),

		rung(3, nil, "commands/sequencer", "projections"),
		// Views never import each other.
		rung(3, parent("projections"), "projections/registry", "projections/shardmap",
			"projections/planboard", "projections/replication", "projections/audit",
			"projections/watch", "projections/projectiontest"),

		rung(4, nil, "api/auth", "api/console", "api/client", "cli/render",
			"ops/config", "ops/loop", "ops/telemetry", "ops/refusals", "ops/gossip", "ops/pki",
			"ops/probe", "ops/replay"),
		rung(4, parent("api/auth"), "api/server"),
		// Controllers never import each other; they may name the loop that runs
		// them.
		rung(4, parent("ops/loop"), "ops/sessions", "ops/placer", "ops/rebinder", "ops/handoff",
			"ops/succession", "ops/election", "ops/failuredetector", "ops/rebalancer",
			"ops/drainer", "ops/maintenance", "ops/failover", "ops/scheduler", "ops/chaos", "ops/alerting"),

		rung(5, nil, "ops/node", "cli", "api/member"),
		rung(6, nil, "cmd/omnirelay"),

		// Tests of the whole stand above it and share one process harness.
		rung(7, nil, "tests/harness/faultproxy"),
		rung(7, []string{"tests/harness/faultproxy"}, "tests/harness"),
		rung(7, []string{"tests/harness", "tests/harness/faultproxy"}, "tests/arch", "tests/sim", "tests/mutants",
			"tests/compat", "tests/script", "tests/e2e"),
		// The simulator's checker reads the log of real servers, too.
		rung(7, []string{"tests/harness", "tests/sim"}, "tests/linear"),
		// Samples are programs of their own, as users write them.
		rung(7, nil, "tests/e2e/sample/counter", "tests/e2e/sample/leader"),
	)
}

func rung(number int, beside []string, folders ...string) []place {
	places := make([]place, len(folders))
	for i, folder := range folders {
		places[i] = place{folder: folder, rung: number, beside: beside}
	}
	return places
}

// contexts are the folders of the pure deciders.
func contexts() []string {
	return []string{
		"commands/membership", "commands/leadership", "commands/shard", "commands/plan",
		"commands/policy", "commands/cluster", "commands/identity", "commands/schedule",
		"commands/control",
	}
}

// refusal is an import that is wrong although its rung is lower.
type refusal struct {
	from   []string
	to     []string
	except []string
	why    string
}

func refusals() []refusal {
	server := []string{"api/server", "api/auth", "api/console", "store", "store/*", "store/*/*",
		"projections", "projections/*", "ops/*"}
	return []refusal{
		{
			from: []string{"store", "store/*", "store/*/*"},
			to:   []string{"commands", "commands/*"},
			why:  "the store keeps frames and rows, it knows no rules",
		},
		{
			from:   []string{"cli", "cli/*"},
			to:     append([]string{"commands", "commands/*"}, server...),
			except: []string{"ops/config"},
			why:    "the CLI is a client of api/client and imports no server code",
		},
		{
			// A program that joins the mesh links these; routing a key needs
			// commands/placement, and nothing needs NATS or Pebble.
			from:   []string{"api/client", "api/member"},
			to:     append([]string{"commands/sequencer"}, server...),
			except: []string{"ops/config"},
			why:    "programs of others link the SDK, which imports no server code",
		},
	}
}

// checkLadder reports every import that goes up, sideways or to where it is
// refused, and every package that the table does not know.
func checkLadder(sources []*source, table []place, refused []refusal) []finding {
	places := make(map[string]place, len(table))
	for _, p := range table {
		places[p.folder] = p
	}
	var found []finding
	for _, s := range sources {
		from, known := places[s.folder]
		if !known {
			found = append(found, finding{at: s.folder, text: "this package is not on the ladder; " +
				"add its folder with its rung to ladder() in tests/arch/ladder_test.go"})
			continue
		}
		if s.generated {
			continue
		}
		for _, i := range s.imports() {
			folder, ours := strings.CutPrefix(i.path, module+"/")
			if !ours {
				continue
			}
			if why := forbidden(s, from, places, folder, refused); why != "" {
				found = append(found, s.at(i.spec, "imports %s: %s", folder, why))
			}
		}
	}
	return found
}

// forbidden says why a file may not import a folder, or "".
func forbidden(s *source, from place, places map[string]place, folder string, refused []refusal) string {
	to, known := places[folder]
	switch {
	case !known:
		return "it is not on the ladder in tests/arch/ladder_test.go"
	case isTestFolder(folder) && !s.testSupport():
		return "it is for tests; only test files and test packages import it"
	case to.rung > from.rung:
		return fmt.Sprintf("it is on rung %d, and %s on rung %d imports only lower ones",
			to.rung, from.folder, from.rung)
	case s.test:
		return "" // a test may set up its neighbours
	case to.rung == from.rung && !matches(from.beside, folder):
		return fmt.Sprintf("both are on rung %d, and of its own rung %s may import only [%s]",
			to.rung, from.folder, strings.Join(from.beside, " "))
	}
	for _, r := range refused {
		if matches(r.from, from.folder) && matches(r.to, folder) && !matches(r.except, folder) {
			return r.why
		}
	}
	return ""
}

// matches tells whether one of the patterns covers the folder. A malformed
// pattern covers nothing; TestLadderTable refuses it.
func matches(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, folder)
		return ok && err == nil
	})
}

func TestLadder(t *testing.T) {
	report(t, checkLadder(repository(t), ladder(), refusals()))
}

// TestLadderTable keeps the table itself honest.
func TestLadderTable(t *testing.T) {
	rungs := map[string]int{}
	for _, p := range ladder() {
		if _, twice := rungs[p.folder]; twice {
			t.Errorf("%s stands twice in the table", p.folder)
		}
		rungs[p.folder] = p.rung
	}
	covered := func(pattern string, ok func(rung int) bool) bool {
		for folder, rung := range rungs {
			if matches([]string{pattern}, folder) && ok(rung) {
				return true
			}
		}
		return false
	}
	for _, p := range ladder() {
		for _, pattern := range p.beside {
			if !covered(pattern, func(rung int) bool { return rung == p.rung }) {
				t.Errorf("%s may import %s beside it, but nothing of rung %d is called so", p.folder, pattern, p.rung)
			}
		}
	}
	for _, r := range refusals() {
		for _, pattern := range slices.Concat(r.from, r.to, r.except) {
			if !covered(pattern, func(int) bool { return true }) {
				t.Errorf("the refusal %q names %s, and no package is called so", r.why, pattern)
			}
		}
	}
}
