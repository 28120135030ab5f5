package cli

import (
	"strings"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// ruleFlags are the placement rules of a namespace, or of one that is supposed.
func ruleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "require", Usage: "`SELECTOR[,…]` that nodes must satisfy: key=value, key=a|b, key!=value, key, !key; keys are labels, node, region, zone"},
		&cli.StringSliceFlag{Name: "pin", Usage: "`SHARDS:WHERE[,…]`: shards only where that is, for example 0-9+12:n1+n2 or 0-9:zone=a"},
		&cli.IntFlag{Name: "max-per-node", Usage: "at most `N` shards on a node; 0 is no bound"},
		&cli.StringFlag{Name: "capacity-label", Usage: "`LABEL` whose value is the most shards of its node"},
		&cli.StringFlag{Name: "spread", Usage: "`KEY` (zone, region or a label) over whose values shards are spread"},
		&cli.IntFlag{Name: "max-skew", Usage: "by at most `N` shards of difference; 1 with --spread, if not given"},
		&cli.StringFlag{Name: "separate", Usage: "`KEY` of which no two replicas of a shard have the same value"},
		&cli.StringSliceFlag{Name: "prefer-region", Usage: "`REGION[,…]` where shards should be, the best first; for strategy locality"},
		&cli.StringSliceFlag{Name: "prefer-zone", Usage: "`ZONE[,…]`, after the regions"},
		&cli.BoolFlag{Name: "no-rules", Usage: "none of the rules of before"},
	}
}

// rules are those of base with what flags say in their place; changed tells
// whether any does.
func (c *call) rules(base *controlv1.PlacementRules) (r *controlv1.PlacementRules, changed bool, err error) {
	r = &controlv1.PlacementRules{}
	if base != nil && !c.Bool("no-rules") {
		r = proto.CloneOf(base)
	}
	changed = c.Bool("no-rules")
	for flag, set := range map[string]func() error{
		"require":        func() error { r.Require = filled(c.StringSlice("require")); return nil },
		"pin":            func() (err error) { r.Pins, err = pins(c.StringSlice("pin")); return err },
		"max-per-node":   func() (err error) { r.MaxPerNode, err = c.amount("max-per-node"); return err },
		"capacity-label": func() error { r.CapacityLabel = c.String("capacity-label"); return nil },
		"spread":         func() error { return c.spread(r) },
		"max-skew":       func() (err error) { r.MaxSkew, err = c.amount("max-skew"); return err },
		"separate":       func() error { r.Separate = c.String("separate"); return nil },
		"prefer-region":  func() error { c.prefer(r); return nil },
		"prefer-zone":    func() error { c.prefer(r); return nil },
	} {
		if c.IsSet(flag) {
			changed = true
			if err := set(); err != nil {
				return nil, false, err
			}
		}
	}
	return r, changed, nil
}

// spread sets the key, and a skew where there is none yet.
func (c *call) spread(r *controlv1.PlacementRules) error {
	r.Spread = c.String("spread")
	switch {
	case c.IsSet("max-skew"):
	case r.Spread == "":
		r.MaxSkew = 0
	case r.MaxSkew == 0:
		r.MaxSkew = 1
	}
	return nil
}

func (c *call) prefer(r *controlv1.PlacementRules) {
	r.Prefer = nil
	for _, region := range filled(c.StringSlice("prefer-region")) {
		r.Prefer = append(r.Prefer, "region="+region)
	}
	for _, zone := range filled(c.StringSlice("prefer-zone")) {
		r.Prefer = append(r.Prefer, "zone="+zone)
	}
}

// amount reads a number; how large it may be is the server's to say.
func (c *call) amount(flag string) (int32, error) {
	n := c.Int(flag)
	if n < 0 || int(int32(n)) != n {
		return 0, usage("--%s is %d (allowed: 0 or more)", flag, n)
	}
	return int32(n), nil
}

// filled leaves out empty texts: --require with an empty text takes all away.
func filled(texts []string) []string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

// pins reads SHARDS:WHERE. A + stands where elsewhere a comma would, which here
// ends a pin.
func pins(texts []string) ([]*controlv1.PlacementPin, error) {
	var out []*controlv1.PlacementPin
	for _, text := range filled(texts) {
		shards, where, ok := strings.Cut(text, ":")
		if !ok || shards == "" || where == "" {
			return nil, usage("--pin: %q is no pin (allowed: SHARDS:WHERE, for example 0-9+12:n1+n2 or 0-9:zone=a)", text)
		}
		pin := &controlv1.PlacementPin{Shards: strings.ReplaceAll(shards, "+", ",")}
		for part := range strings.SplitSeq(where, "+") {
			if strings.ContainsAny(part, "=!") {
				pin.Require = append(pin.Require, part)
			} else {
				pin.Nodes = append(pin.Nodes, part)
			}
		}
		out = append(out, pin)
	}
	return out, nil
}

// rulesText is rules on one line.
func rulesText(r *controlv1.PlacementRules) string {
	var parts []string
	add := func(name, value string) {
		if value != "" && value != "0" {
			parts = append(parts, name+" "+value)
		}
	}
	add("require", strings.Join(r.GetRequire(), " "))
	for _, p := range r.GetPins() {
		add("pin", p.GetShards()+" to "+strings.Join(append(append([]string(nil), p.GetNodes()...), p.GetRequire()...), " "))
	}
	add("max-per-node", number(int64(r.GetMaxPerNode())))
	add("capacity-label", r.GetCapacityLabel())
	add("spread", r.GetSpread())
	add("max-skew", number(int64(r.GetMaxSkew())))
	add("separate", r.GetSeparate())
	add("prefer", strings.Join(r.GetPrefer(), " "))
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}
