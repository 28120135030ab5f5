package client

import (
	"context"
	"iter"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Refusals reads one page of refused calls; NextFrom of the answer is where the
// next one starts.
func (l *Log) Refusals(ctx context.Context, req *controlv1.ListRefusalsRequest) (*controlv1.ListRefusalsResponse, error) {
	return read(ctx, l.c, l.rpc.ListRefusals, req)
}

// AllRefusals ranges over the refused calls that are kept, from req.From on, the
// oldest first; Limit is the size of a page.
func (l *Log) AllRefusals(ctx context.Context, req *controlv1.ListRefusalsRequest) iter.Seq2[*controlv1.Refusal, error] {
	return func(yield func(*controlv1.Refusal, error) bool) {
		own := proto.CloneOf(req)
		for {
			page, err := l.Refusals(ctx, own)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range page.GetRefusals() {
				if !yield(r, nil) {
					return
				}
			}
			if page.GetNextFrom() <= own.GetFrom() {
				return
			}
			own.From = page.GetNextFrom()
		}
	}
}
