package shardmap

import (
	"slices"
	"strings"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections"
)

var _ projections.Router = Table{}

// Filter says which shards are meant; its zero value means all.
type Filter struct {
	Namespace string
	Owner     string
	// Involves is the owner, the target of the move in flight, or a reader.
	Involves string
	// Statuses: any of them; none means any status.
	Statuses []controlv1.ShardStatus
	// Search is a substring of "<namespace>/<id>".
	Search string
}

// Match reports whether a row passes; nil never does.
func (f Filter) Match(r *controlv1.ShardRecord) bool {
	switch {
	case r == nil,
		f.Namespace != "" && f.Namespace != r.Namespace,
		f.Owner != "" && f.Owner != r.OwnerNodeId,
		f.Involves != "" && f.Involves != r.OwnerNodeId && !slices.Contains(involved(r), f.Involves),
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, r.Status):
		return false
	}
	return f.Search == "" || strings.Contains(r.Namespace+"/"+r.ShardId, f.Search)
}

// narrow reports whether a row must be decoded to know if it passes, where a
// list already goes by the namespace.
func (f Filter) narrow() bool {
	return f.Owner != "" || f.Involves != "" || len(f.Statuses) > 0 || f.Search != ""
}

// Routes implements [projections.Router]: a row is watched by its namespace and
// by its owner.
func (Table) Routes(of any, add func(key string)) {
	r, ok := of.(*controlv1.ShardRecord)
	if !ok {
		return
	}
	add(routeNamespace + r.Namespace)
	if r.OwnerNodeId != "" {
		add(routeOwner + r.OwnerNodeId)
		add(routeInvolved + r.OwnerNodeId)
	}
	for _, node := range involved(r) {
		add(routeInvolved + node)
	}
}

const (
	routeNamespace = "n/"
	routeOwner     = "o/"
	routeInvolved  = "i/"
)

// Route is the key that a watcher with this filter waits under: the narrowest;
// empty waits for all.
func (f Filter) Route() string {
	switch {
	case f.Owner != "":
		return routeOwner + f.Owner
	case f.Involves != "":
		return routeInvolved + f.Involves
	case f.Namespace != "":
		return routeNamespace + f.Namespace
	}
	return ""
}

// EachRoute visits the rows that have a route now; "" is all.
func EachRoute(v *projections.View, route string, fn func(row []byte) bool) error {
	var f Filter
	if owner, ok := strings.CutPrefix(route, routeOwner); ok {
		f.Owner = owner
	} else if node, ok := strings.CutPrefix(route, routeInvolved); ok {
		f.Involves = node
	} else if namespace, ok := strings.CutPrefix(route, routeNamespace); ok {
		f.Namespace = namespace
	}
	return Each(v, f, 0, fn)
}
