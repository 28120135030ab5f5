package arch_test

import "testing"

const evolveOf = "import eventsv1 \"" + module + "/events/v1\"\nfunc Evolve(k any) {\nswitch k.(type) {\n"

// evolving writes a context whose Evolve has a case for each type.
func evolving(context string, types ...string) string {
	text := "package " + context + "\n" + evolveOf
	for _, name := range types {
		text += "case *eventsv1.Event_" + name + ":\n"
	}
	return text + "}\n}\n"
}

func TestEvolveReports(t *testing.T) {
	types := map[string]int{"NodeCordoned": 43, "SessionClosed": 47, "ShardsPaused": 109}
	reasons := map[string]map[string]string{"SessionClosed": {"shard": "releases"}}
	check := func(sources []*source) []finding { return checkEvolve(sources, types, reasons) }
	run(t, check, []selfTest{
		{name: "complete", files: map[string]string{
			"commands/membership/state.go": evolving("membership", "NodeCordoned", "SessionClosed"),
			"commands/shard/evolve.go":     evolving("shard", "ShardsPaused", "SessionClosed"),
		}},
		{name: "by assertion", files: map[string]string{
			"commands/membership/state.go": evolving("membership", "NodeCordoned", "SessionClosed"),
			"commands/shard/evolve.go": "package shard\nimport eventsv1 \"" + module + "/events/v1\"\n" +
				"func Evolve(k any) { _ = k.(*eventsv1.Event_ShardsPaused); _ = k.(*eventsv1.Event_SessionClosed) }\n",
		}},
		{name: "forgotten, twice, foreign, unknown", files: map[string]string{
			"commands/membership/state.go": evolving("membership", "SessionClosed", "SessionClosed", "NodeDanced"),
			"commands/policy/state.go":     evolving("policy", "ShardsPaused"),
			"commands/shard/evolve.go":     "package shard\nimport eventsv1 \"" + module + "/events/v1\"\nfunc Describe(k any) { _ = k.(*eventsv1.Event_ShardsPaused) }\n",
		}, want: []string{
			"event NodeCordoned: context membership, in whose block it is, does not evolve it",
			"event SessionClosed: more than once",
			"event SessionClosed: react() says that context shard evolves it, and it does not",
			"event ShardsPaused: context shard, in whose block it is, does not evolve it",
			"event ShardsPaused: context policy evolves it, and it is shard's",
			"event NodeDanced: is no event",
		}},
	})
}

func TestProjectedReports(t *testing.T) {
	types := map[string]int{"NodeCordoned": 43, "ShardsPaused": 109, "EraStarted": 10}
	check := func(sources []*source) []finding {
		return checkProjected(sources, types, map[string]string{"EraStarted": "shown by the log", "ShardsPaused": "out of date"})
	}
	run(t, check, []selfTest{
		{name: "no view yet", files: map[string]string{"projections/table.go": evolving("projections", "NodeCordoned")}},
		{name: "missing and excused", files: map[string]string{
			"projections/shardmap/apply.go": evolving("shardmap", "ShardsPaused"),
			"projections/registry/table.go": evolving("registry", "NodeCordoned"),
		}, want: []string{
			"event NodeCordoned: no projections/*/apply.go has a case for it",
			"event ShardsPaused: unprojected() excuses it, and a table shows it",
		}},
	})
}
