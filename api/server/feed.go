package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/projections/watch"
	"github.com/omnirelay/omnirelay/store"
)

// Feeds are what can be watched.
type Feeds struct {
	Shards  *watch.Hub[*controlv1.ShardRecord]
	Peers   *watch.Hub[*controlv1.Peer]
	Leaders *watch.Hub[*controlv1.LeadershipToken]
	Log     *watch.Hub[events.Recorded]
}

// NewFeeds opens the feeds of a projector, which hears of them from its next
// commit on. reg takes their metrics; nil keeps none.
func NewFeeds(p watch.Projector, log store.Log, reg prometheus.Registerer) (*Feeds, error) {
	cfg := watch.DefaultConfig()
	cfg.MaxWatchers = MaxWatchers
	if reg != nil {
		m, err := watch.NewMetrics(reg)
		if err != nil {
			return nil, fmt.Errorf("server: feeds: %w", err)
		}
		cfg.Metrics = m
	}
	var f Feeds
	var errs [4]error
	f.Shards, errs[0] = watch.NewRows(p, watch.Kind[*controlv1.ShardRecord]{
		Name: "shards", Table: shardmap.ID, Parse: shardmap.Codec{}.Parse, List: listRoute,
	}, cfg)
	f.Peers, errs[1] = watch.NewRows(p, watch.Kind[*controlv1.Peer]{
		Name: "peers", Table: registry.PeersID, Parse: registry.PeerCodec().Parse,
	}, cfg)
	f.Leaders, errs[2] = watch.NewRows(p, watch.Kind[*controlv1.LeadershipToken]{
		Name: "leaders", Table: registry.LeadersID, Parse: registry.LeaderCodec().Parse,
	}, cfg)
	f.Log, errs[3] = watch.NewLog(p, log, cfg)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("server: feeds: %w", err)
	}
	return &f, nil
}

// listRoute visits the shards that a watcher under a route begins with.
func listRoute(v *projections.View, route string, fn func(row []byte) bool) error {
	_, name, _ := strings.Cut(route, "/")
	f := shardmap.Filter{}
	for _, one := range []shardmap.Filter{{Namespace: name}, {Owner: name}, {Involves: name}} {
		if route != "" && one.Route() == route {
			f = one
		}
	}
	return shardmap.Each(v, f, 0, fn)
}

// following is one stream over a feed: what it makes of items, and for whom.
type following[T, R any] struct {
	// make turns an item into a message that carries a position to resume after;
	// of a bookmark it has the position alone.
	make func(item watch.Item[T], resume events.Position) *R
	// bookmarks: the caller wants them. SSE gets the first one always, which ends
	// the snapshot.
	bookmarks bool
	out       sink[R]
	// held is the last row of the snapshot so far. A row of a snapshot is no
	// point to resume after, but for its last.
	held *watch.Item[T]
}

// follow streams a feed from a resume token, or with 0 from a snapshot on.
func follow[T, R any](ctx context.Context, s *Server, hub *watch.Hub[T], o watch.Options[T], resume int64, f following[T, R]) error {
	o.Bookmarks = f.bookmarks
	if resume != 0 {
		if err := s.reach(ctx, "resumeToken", events.Position(resume)); err != nil {
			return err
		}
		if _, err := s.decisionBefore(events.Position(resume)); err != nil {
			return err
		}
		o.Start, o.Position = watch.After, events.Position(resume)
	}
	if err := f.out(nil, note{opened: true}); err != nil {
		return err
	}
	idle, end := gather(ctx)
	defer end()
	o.Idle = idle
	return hub.Watch(ctx, o, f.take)
}

func (f *following[T, R]) take(item watch.Item[T]) error {
	switch item.Kind {
	case watch.Row:
		if err := f.flush(0); err != nil {
			return err
		}
		f.held = &item
		return nil
	case watch.Bookmark:
		if err := f.flush(item.Position); err != nil || !f.bookmarks {
			return err
		}
		return f.out(f.make(item, item.Position), note{bookmark: true, resume: int64(item.Position)})
	}
	n := note{}
	if item.Position == item.Event.Last {
		n.resume = int64(item.Position)
	}
	return f.out(f.make(item, item.Position), n)
}

func (f *following[T, R]) flush(resume events.Position) error {
	if f.held == nil {
		return nil
	}
	item := *f.held
	f.held = nil
	return f.out(f.make(item, resume), note{snapshot: true})
}
