package natslog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// What a server follows comes from the leader of the log, or from a notice; what
// it keeps is its own copy. Both are compared: the newest message that was anchored
// must be in this server's files, with the same hash, within Config.ReplicaWithin.
//
// A replica whose own raft log reached further than the one that the others went on
// with answers "stored" to entries that it never stores, for ever: nats-server 2.15.2
// takes any entry below what it once committed for one that it has (raft.go,
// processAppendEntry). So a replica that stands still while all servers are connected,
// and all other copies are whole, forgets what raft keeps of this stream, as
// nats-server itself does in other cases, and follows the leader from what its files
// hold. It keeps its term and vote.

// replicaLooks is how many times within ReplicaWithin the files are looked at.
const replicaLooks = 4

// replicaWatch compares this server's copy with what was anchored.
type replicaWatch struct {
	s      *Store
	look   jsfile.Finder
	wanted store.Mark // to be found
	since  time.Time  // it is wanted
	stood  uint64     // where the copy ended then
	// restarted: the server was started again, and the copy has not caught up since.
	restarted bool
}

// watchReplica looks until ctx ends or this server's copy holds another message.
func (s *Store) watchReplica(ctx context.Context) error {
	w := &replicaWatch{s: s, look: jsfile.Finder{Blocks: s.files}}
	for {
		if s.pause(ctx, s.cfg.ReplicaWithin/replicaLooks) != nil {
			return nil
		}
		if err := w.step(ctx); err != nil {
			return err
		}
	}
}

func (w *replicaWatch) step(ctx context.Context) error {
	fresh := w.wanted.Sequence == 0
	if fresh {
		w.wanted, _ = w.s.anchor.get()
		w.since = time.Now()
	}
	if w.wanted.Sequence == 0 {
		return nil
	}
	hash, last, err := w.look.Hash(w.wanted.Sequence)
	if err != nil {
		w.s.cfg.logger().Debug("this server's copy of the log cannot be read now", "error", err)
		return nil
	}
	if fresh {
		w.stood = last
	}
	switch {
	case last >= w.wanted.Sequence && hash != w.wanted.Hash:
		return w.differs(hash)
	case last >= w.wanted.Sequence:
		w.wanted, w.restarted = store.Mark{}, false
		w.s.metrics.replicaLag.Set(0)
		w.s.tellBehind("")
	case time.Since(w.since) >= w.s.cfg.ReplicaWithin:
		w.s.metrics.replicaLag.Set(float64(w.wanted.Sequence - last))
		w.s.tellBehind(fmt.Sprintf("this server's copy of the log ends at message %d, and message %d (position %d) was followed", last, w.wanted.Sequence, w.wanted.Position))
		return w.wake(ctx, last)
	}
	return nil
}

// differs reports another message, unless the file was written anew between two
// reads.
func (w *replicaWatch) differs(hash events.Hash) error {
	again, _, err := (&jsfile.Finder{Blocks: w.s.files}).Hash(w.wanted.Sequence)
	if err != nil || again != hash {
		return nil //nolint:nilerr // looked at again
	}
	return &CorruptError{
		File: w.s.files.Dir, Offset: -1, Sequence: w.wanted.Sequence, Position: w.wanted.Position, Opened: true, Err: ErrCorrupt,
		Problem: fmt.Sprintf("this server's copy has a message of hash %s, the log has %s", hash, w.wanted.Hash),
	}
}

// wake lets a copy that stands still begin anew with raft, once until it has caught
// up, unless that could cost the others something.
func (w *replicaWatch) wake(ctx context.Context, last uint64) error {
	stands := last == w.stood
	w.stood, w.since = last, time.Now()
	if !stands || w.restarted || !w.s.othersWhole(ctx) {
		return nil
	}
	w.restarted = true
	w.s.cfg.logger().Warn("this server's copy of the log stands still; it begins anew with raft", "message", last)
	w.s.server.Stop()
	err := forgetRaft(w.s.cfg.Dir, w.s.cfg.logStream())
	err = errors.Join(err, w.s.server.Start())
	if w.s.closed() { // Close may have stopped it before it was started
		w.s.server.Stop()
	}
	return err
}

// forgetRaft removes what raft keeps of a stream, but for its term, its vote and its
// peers, while the server is stopped.
func forgetRaft(storeDir, stream string) error {
	group, err := jsfile.RaftGroup(storeDir, stream)
	if err != nil {
		return err
	}
	for _, name := range []string{"msgs", "snapshots", "commit.idx"} {
		if err := os.RemoveAll(filepath.Join(group, name)); err != nil {
			return fmt.Errorf("natslog: forget raft state: %w", err)
		}
	}
	return syncDir(group)
}

// othersWhole tells whether another server leads the log, and all copies but this
// server's have all that is stored.
func (s *Store) othersWhole(ctx context.Context) bool {
	info, err := s.lookUp(ctx, s.cfg.logStream())
	if err != nil || info == nil || info.Cluster == nil || info.Cluster.Leader == s.cfg.name() {
		return false
	}
	whole := 0
	for _, r := range replicasOf(info) {
		if r.NATS != s.cfg.name() && r.Current {
			whole++
		}
	}
	return whole == len(s.cfg.Peers)-1
}
