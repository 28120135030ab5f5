package server

import (
	"context"
	"fmt"
	"strings"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections/registry"
)

// NamespaceControlService: sets of shards that are placed together.

func (s *Server) registerNamespaces() {
	handleUnary(s, controlv1.NamespaceControlServiceListNamespacesProcedure, s.listNamespaces)
	handleUnary(s, controlv1.NamespaceControlServiceGetNamespaceProcedure, s.getNamespace)
	handleUnary(s, controlv1.NamespaceControlServiceCreateNamespaceProcedure, s.createNamespace)
	handleUnary(s, controlv1.NamespaceControlServiceUpdateNamespaceProcedure, s.updateNamespace)
	handleUnary(s, controlv1.NamespaceControlServiceDeleteNamespaceProcedure, s.deleteNamespace)
}

type namespace = controlv1.Namespace

func namespaceTable() table[*namespace] {
	return table[*namespace]{
		each: registry.EachNamespace,
		key:  (*namespace).GetNamespace,
		fields: []ordering[*namespace]{
			byText("namespace", (*namespace).GetNamespace), byNumber("shardCount", (*namespace).GetShardCount),
			byText("strategyId", (*namespace).GetStrategyId), byNumber("ownership", (*namespace).GetOwnership),
			byText("eligibleRole", (*namespace).GetEligibleRole), byNumber("version", (*namespace).GetVersion),
			byNumber("status", (*namespace).GetStatus), byNumber("capacityHint", (*namespace).GetCapacityHint),
			byTime("createdAt", (*namespace).GetCreatedAt), byTime("updatedAt", (*namespace).GetUpdatedAt),
		},
	}
}

func (s *Server) listNamespaces(ctx context.Context, q *controlv1.ListNamespacesRequest) (*controlv1.ListNamespacesResponse, error) {
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	changed, err := registry.Changed(r.View, registry.NamespacesID)
	if err != nil {
		return nil, err
	}
	if callOf(ctx).tagged(listETag(r, changed)) {
		return nil, errNotModified
	}
	match := func(n *namespace) bool { return strings.Contains(n.Namespace, q.Search) }
	rows, cursor, err := namespaceTable().page(r, match, q.OrderBy, pageSize(q.PageSize), token.cursor)
	if err != nil {
		return nil, err
	}
	return &controlv1.ListNamespacesResponse{Namespaces: rows, NextPageToken: nextToken(r, token, cursor), Position: int64(r.position())}, nil
}

func (s *Server) getNamespace(ctx context.Context, q *controlv1.GetNamespaceRequest) (*namespace, error) {
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	n, err := namespaceAt(r, q.Namespace)
	if err != nil {
		return nil, err
	}
	if callOf(ctx).tagged(versionETag(n.Version)) {
		return nil, errNotModified
	}
	return n, nil
}

// namespaceAt is a namespace as a reading has it, or the error that it has none.
func namespaceAt(r *reading, name string) (*namespace, error) {
	if r.empty {
		return nil, noNamespace(name, r)
	}
	n, ok, err := registry.Namespace(r.View, name, r.at)
	if err == nil && !ok {
		err = noNamespace(name, r)
	}
	return n, err
}

// noNamespace says since when, for a past: it may exist now, or may have.
func noNamespace(name string, r *reading) *failure {
	f := notFound("namespace", name)
	if r.past {
		f.message = fmt.Sprintf("namespace %q did not exist at position %d", name, r.position())
	}
	return f
}

func (s *Server) createNamespace(ctx context.Context, q *controlv1.CreateNamespaceRequest) (*controlv1.CreateNamespaceResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.CreateNamespaceResponse{Receipt: receipt}, err
}

func (s *Server) updateNamespace(ctx context.Context, q *controlv1.UpdateNamespaceRequest) (*controlv1.UpdateNamespaceResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.UpdateNamespaceResponse{Receipt: receipt}, err
}

func (s *Server) deleteNamespace(ctx context.Context, q *controlv1.DeleteNamespaceRequest) (*controlv1.DeleteNamespaceResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.DeleteNamespaceResponse{Receipt: receipt}, err
}
