package member

import (
	"context"
	"iter"
)

// Elector is where a program campaigns: a [*Member], whose scopes the whole mesh
// shares, or a [*LocalElector], whose scopes one process does. What a program
// does with it is the same.
type Elector interface {
	// Campaign blocks until the scope is led here, or ctx ends.
	Campaign(ctx context.Context, scope string, o CampaignOptions) (*Leadership, error)
	// Observe ranges over the leaders of a scope, the present one first; of all
	// scopes when it is empty.
	Observe(ctx context.Context, scope string) iter.Seq2[Leader, error]
}

var (
	_ Elector = (*Member)(nil)
	_ Elector = (*LocalElector)(nil)
)
