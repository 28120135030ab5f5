package refusals

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// idsPerBatch is how many ids belong to one stored batch: id = sequence ×
// idsPerBatch + place. Ids stay exact in a JSON number for 2^43 batches, which
// is 10 a second for 27,000 years.
const idsPerBatch = 1024

// What one page reads at most to find what matches.
const (
	readBatches = 64
	maxBatches  = 256
)

// List implements server.Refusals. A page that had to read much ends early,
// with the id to go on from.
func (r *Recorder) List(ctx context.Context, from int64, limit int, match func(*controlv1.Refusal) bool) (page []*controlv1.Refusal, next int64, err error) {
	after := uint64(max(from/idsPerBatch, 1)) - 1
	for read := 0; read < maxBatches; read += readBatches {
		stored, err := r.stream.List(ctx, after, readBatches)
		if err != nil {
			return nil, 0, err
		}
		for _, m := range stored {
			batch, err := decode(m.Sequence, m.Data)
			if err != nil {
				return nil, 0, err
			}
			for _, one := range batch {
				if one.Id < from || !match(one) {
					continue
				}
				if len(page) == limit {
					return page, one.Id, nil
				}
				page = append(page, one)
			}
			after = m.Sequence
		}
		if len(stored) < readBatches {
			return page, 0, nil
		}
	}
	return page, int64(after+1) * idsPerBatch, nil
}

// decode reads a batch and numbers its records.
func decode(sequence uint64, data []byte) ([]*controlv1.Refusal, error) {
	var batch controlv1.RefusalBatch
	if err := proto.Unmarshal(data, &batch); err != nil {
		return nil, fmt.Errorf("refusals: record %d: %w", sequence, err)
	}
	for i, one := range batch.Refusals {
		one.Id = int64(sequence)*idsPerBatch + int64(i)
	}
	return batch.Refusals, nil
}
