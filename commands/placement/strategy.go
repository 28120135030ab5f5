package placement

import (
	"errors"
	"fmt"
	"strings"
)

// Names of the strategies, as namespaces store them.
const (
	Optimal    = "optimal" // the default
	Ring       = "ring"
	Rendezvous = "rendezvous"
	// Locality prefers places in an order, spreads over the zones of a place, and
	// is as Optimal within a zone.
	Locality = "locality"
)

// ErrUnknownStrategy is wrapped by Named's refusal.
var ErrUnknownStrategy = errors.New("placement: unknown strategy")

// Strategy places the shards of an input. It is pure, and keeps the promises of
// the package.
type Strategy func(*Input) Result

// Names returns the allowed names, the default first.
func Names() []string { return []string{Optimal, Ring, Rendezvous, Locality} }

// Named returns the strategy of that name; the empty name is the default.
func Named(name string) (Strategy, error) {
	switch name {
	case Optimal, "":
		return optimal, nil
	case Ring:
		return ring, nil
	case Rendezvous:
		return rendezvous, nil
	case Locality:
		return locality, nil
	}
	return nil, fmt.Errorf("%w %q, allowed are %s", ErrUnknownStrategy, name, strings.Join(Names(), ", "))
}
