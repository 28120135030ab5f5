package natslog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A directory whose place was given to another, see [Store.Replace], may be started
// again, or go on after a pause. It holds a log, so it cannot be given a place as an
// empty one is: it would wait for ever, and its own JetStream, which learns that it was
// taken out, removes its copy and disables itself. So it asks the other servers, and
// ends when a majority of all that are listed say that the log's leader has no replica
// there. Silence says nothing: a server that is cut off, or one of two that are up,
// waits as before.

// membersKind is the kind of request for the directories that hold replicas.
const membersKind = "members"

const (
	// removedAfter is how long a server tries to join before it asks whether it was
	// taken out: most that wait, wait for others to start.
	removedAfter = 2 * time.Second
	// membersEvery is the pause between two rounds of asking, membersWait bounds one.
	membersEvery = time.Second
	membersWait  = 2 * lookWait
)

// sayMembers answers with the NATS names of the servers that hold replicas, as the
// log's leader knows them; with nothing when it does not answer.
func (s *Store) sayMembers(ctx context.Context, _ []byte) []byte {
	info, err := s.lookBriefly(ctx, s.cfg.logStream())
	if err != nil || info == nil {
		return nil
	}
	b, err := json.Marshal(members(info))
	if err != nil {
		return nil // names are texts
	}
	return b
}

// askMembers asks the servers that answer, but for those of this one's name, where
// the replicas are. Who does not know is not in the answer.
func (s *Store) askMembers(ctx context.Context, heard map[string]hello) map[string][]string {
	ctx, cancel := context.WithTimeout(ctx, membersWait)
	defer cancel()
	var mu sync.Mutex
	said := map[string][]string{}
	var asking sync.WaitGroup
	for name := range heard {
		other := plainName(name)
		if other == s.link.name {
			continue
		}
		asking.Go(func() {
			answer, err := s.link.Ask(ctx, other, membersKind, nil)
			var names []string
			if err == nil && len(answer) > 0 {
				err = json.Unmarshal(answer, &names)
			}
			if err != nil || len(names) == 0 {
				s.cfg.logger().Debug("where the log's replicas are was asked for", "of", other, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			said[other] = names
		})
	}
	asking.Wait()
	return said
}

// without tells whether a majority of servers says that a directory, by its NATS
// name, holds no replica. Who names it, or one whose name is not known and that may
// be it, says no more than that all is well.
func without(self string, servers int, said map[string][]string) bool {
	n := 0
	for _, members := range said {
		holds := slices.ContainsFunc(members, func(m string) bool { return m == self || unknownName(Replica{NATS: m}) })
		if holds {
			return false
		}
		if len(members) > 0 {
			n++
		}
	}
	return 2*n > servers
}

// watchPlace looks until ctx ends or this directory was taken out of the log.
func (s *Store) watchPlace(ctx context.Context) error {
	for {
		if s.pause(ctx, s.cfg.ReplicaWithin) != nil {
			return nil
		}
		info, err := s.lookBriefly(ctx, s.cfg.logStream())
		if err == nil && info != nil && s.outside(info) == "" {
			continue
		}
		heard, err := s.askHello(ctx, false)
		if err != nil {
			s.cfg.logger().Debug("who is there was not asked", "error", err)
			continue
		}
		if err := s.checkPlace(ctx, heard); err != nil {
			return err
		}
	}
}

// checkPlace is an error when this directory was taken out of the log.
func (s *Store) checkPlace(ctx context.Context, heard map[string]hello) error {
	said := s.askMembers(ctx, heard)
	if !without(s.cfg.name(), len(s.cfg.Peers), said) {
		return nil
	}
	var members []string
	for _, names := range said {
		members = names
	}
	return s.removed(members)
}

// removed says what an operator may do with a directory that was taken out.
func (s *Store) removed(members []string) error {
	id := strings.TrimPrefix(s.cfg.name(), s.link.name+"-")
	return fmt.Errorf("natslog: %s: %w: they are on %s, and this directory, %s, was taken out; allowed are "+
		"to leave %s to the server that has the place, or `omnirelay serve --reseed %s`, which puts aside what this directory holds and asks for the place, once no other server %s runs",
		s.cfg.Dir, ErrNotMember, strings.Join(members, ", "), s.cfg.name(), s.link.name, id, s.link.name)
}
