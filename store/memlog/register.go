package memlog

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/omnirelay/omnirelay/store"
)

// Register is a [store.Register] in memory.
type Register struct {
	mu      sync.Mutex
	faults  Faults
	version uint64
	data    []byte
}

// NewRegister returns an empty register.
func NewRegister(faults Faults) *Register { return &Register{faults: faults} }

// SetFaults replaces what goes wrong from the next call on.
func (r *Register) SetFaults(faults Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = faults
}

// Write implements [store.Register].
func (r *Register) Write(ctx context.Context, expect uint64, data []byte) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("memlog: write register: %w", err)
	}
	return r.TryWrite(expect, data)
}

// TryWrite is Write without a context.
func (r *Register) TryWrite(expect uint64, data []byte) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.faults.of(Op{Kind: KindWrite, Sequence: expect, Data: data}) {
	case None:
		return r.write(expect, data)
	case AckLost:
		_, _ = r.write(expect, data) // whatever came of it, nobody hears
	}
	return 0, ErrNoAck
}

func (r *Register) write(expect uint64, data []byte) (uint64, error) {
	if r.version != expect {
		return 0, fmt.Errorf("memlog: write register at version %d: %w: it is %d", expect, store.ErrWrongSequence, r.version)
	}
	r.version++
	r.data = bytes.Clone(data)
	return r.version, nil
}

// Read implements [store.Register].
func (r *Register) Read(ctx context.Context) (uint64, []byte, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, fmt.Errorf("memlog: read register: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults.of(Op{Kind: KindRead}) != None {
		return 0, nil, ErrNoAck
	}
	return r.version, bytes.Clone(r.data), nil
}
