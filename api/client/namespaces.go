package client

import (
	"context"
	"iter"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Namespaces is NamespaceControlService.
type Namespaces struct {
	c   *Client
	rpc controlv1.NamespaceControlServiceClient
}

func (n *Namespaces) lister() lister[controlv1.ListNamespacesRequest, controlv1.ListNamespacesResponse, *controlv1.Namespace] {
	return lister[controlv1.ListNamespacesRequest, controlv1.ListNamespacesResponse, *controlv1.Namespace]{
		rpc:   n.rpc.ListNamespaces,
		token: func(q *controlv1.ListNamespacesRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ListNamespacesResponse) Page[*controlv1.Namespace] {
			return Page[*controlv1.Namespace]{Items: r.GetNamespaces(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// List reads one page.
func (n *Namespaces) List(ctx context.Context, req *controlv1.ListNamespacesRequest) (*Page[*controlv1.Namespace], error) {
	return n.lister().page(ctx, n.c, req)
}

// Collect reads all pages.
func (n *Namespaces) Collect(ctx context.Context, req *controlv1.ListNamespacesRequest) (*Page[*controlv1.Namespace], error) {
	return n.lister().collect(ctx, n.c, req)
}

// All ranges over all pages.
func (n *Namespaces) All(ctx context.Context, req *controlv1.ListNamespacesRequest) iter.Seq2[*controlv1.Namespace, error] {
	return n.lister().all(ctx, n.c, req)
}

// Get reads one namespace.
func (n *Namespaces) Get(ctx context.Context, req *controlv1.GetNamespaceRequest) (*controlv1.Namespace, error) {
	return read(ctx, n.c, n.rpc.GetNamespace, req)
}

// Create makes a namespace and its shards.
func (n *Namespaces) Create(ctx context.Context, req *controlv1.CreateNamespaceRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, n.c, n.rpc.CreateNamespace, req)
	return res.GetReceipt(), err
}

// Update changes the fields that are given.
func (n *Namespaces) Update(ctx context.Context, req *controlv1.UpdateNamespaceRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, n.c, n.rpc.UpdateNamespace, req)
	return res.GetReceipt(), err
}

// Delete begins to delete a namespace; it is gone when its owners released.
func (n *Namespaces) Delete(ctx context.Context, req *controlv1.DeleteNamespaceRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, n.c, n.rpc.DeleteNamespace, req)
	return res.GetReceipt(), err
}
