package client

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"
)

// Page is a list, or a part of one.
type Page[T any] struct {
	Items []T
	// Position that the list was read at.
	Position int64
	// Next is the token of the following page; empty at the end.
	Next string
}

// lister knows how one kind of list is paged.
type lister[Q, R, T any] struct {
	rpc   unary[Q, R]
	token func(*Q) *string
	view  func(*R) Page[T]
}

// page reads the page that req asks for.
func (l lister[Q, R, T]) page(ctx context.Context, c *Client, req *Q) (*Page[T], error) {
	res, err := read(ctx, c, l.rpc, req)
	if err != nil {
		return nil, err
	}
	p := l.view(res)
	return &p, nil
}

// all ranges over the items of the page that req asks for and of all pages
// that follow. An error ends it.
func (l lister[Q, R, T]) all(ctx context.Context, c *Client, req *Q) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for p, err := range l.pages(ctx, c, req) {
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// collect reads all pages into one list, at the position of the first.
func (l lister[Q, R, T]) collect(ctx context.Context, c *Client, req *Q) (*Page[T], error) {
	whole := &Page[T]{}
	for p, err := range l.pages(ctx, c, req) {
		if err != nil {
			return nil, err
		}
		if whole.Position == 0 {
			whole.Position = p.Position
		}
		whole.Items = append(whole.Items, p.Items...)
	}
	return whole, nil
}

func (l lister[Q, R, T]) pages(ctx context.Context, c *Client, req *Q) iter.Seq2[*Page[T], error] {
	return func(yield func(*Page[T], error) bool) {
		own := any(proto.Clone(any(req).(proto.Message))).(*Q)
		for {
			p, err := l.page(ctx, c, own)
			if !yield(p, err) || err != nil || p.Next == "" {
				return
			}
			*l.token(own) = p.Next
		}
	}
}
