package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/omnirelay/omnirelay/api/member"
)

// checkpointEvery is how many increments a journal takes before its state is
// written down whole.
const checkpointEvery = 2000

// counters is the state of one shard, which one owner has.
type counters struct {
	mu      sync.Mutex
	journal *member.FenceJournal
	state   state
	since   int // increments after the last checkpoint
}

// state is what a checkpoint holds. Done remembers the ids of increments, so that
// one that is sent twice counts once; a real store would forget them after a while.
type state struct {
	Counts map[string]int64
	Done   map[string]bool
}

// increment is one record of the journal.
type increment struct{ Key, ID string }

// openCounters takes a shard over: from here on no former owner's increment counts
// that is not read here.
func openCounters(dir string, o member.Ownership) (*counters, error) {
	dir = filepath.Join(dir, o.Namespace, strconv.FormatUint(uint64(o.Shard), 10))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &counters{state: state{Counts: map[string]int64{}, Done: map[string]bool{}}}
	journal, err := member.OpenFenceJournal(dir, o.Token(), c.replay)
	if err != nil {
		return nil, err
	}
	c.journal = journal
	return c, nil
}

func (c *counters) replay(r member.JournalRecord) error {
	if r.Checkpoint {
		c.since = 0
		return json.Unmarshal(r.Data, &c.state)
	}
	var i increment
	if err := json.Unmarshal(r.Data, &i); err != nil {
		return err
	}
	c.apply(i)
	return nil
}

func (c *counters) apply(i increment) {
	c.since++
	if !c.state.Done[i.ID] {
		c.state.Done[i.ID] = true
		c.state.Counts[i.Key]++
	}
}

// add counts an increment, unless it did before, and returns the counter once it is
// on the disk.
func (c *counters) add(i increment) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Done[i.ID] {
		return c.state.Counts[i.Key], nil
	}
	record, err := json.Marshal(i)
	if err != nil {
		return 0, err
	}
	if err := c.journal.Append(record); err != nil {
		return 0, err
	}
	c.apply(i)
	return c.state.Counts[i.Key], c.checkpoint()
}

// checkpoint keeps the journal short.
func (c *counters) checkpoint() error {
	if c.since < checkpointEvery {
		return nil
	}
	whole, err := json.Marshal(c.state)
	if err != nil {
		return err
	}
	if err := c.journal.Checkpoint(whole); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	c.since = 0
	return nil
}

func (c *counters) get(key string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Counts[key]
}

// close lets the shard go; what is being added is waited for.
func (c *counters) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.journal.Close()
}
