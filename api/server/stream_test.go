package server

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/membership"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// line is a change of a shard as a test compares it.
func line(e sseEvent) string {
	current, _ := e.data["current"].(map[string]any)
	if current == nil {
		current, _ = e.data["previous"].(map[string]any)
	}
	history, _ := e.data["history"].(map[string]any)
	return fmt.Sprintf("%s id=%s %v/%v %v %v", e.name, e.id, current["namespace"], current["shardId"], current["status"], history["event"])
}

// A snapshot without ids, a bookmark, then changes with an id on the last row of
// each decision; and a resume from there without a snapshot.
func TestSSEShards(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 2)
	snapshot := m.head()
	for name, client := range map[string]*sse{
		"h1":    m.events(m.h1, "/control/events/shards?namespace=demo"),
		"h2":    m.events(m.h2, "/control/events/shards?namespace=demo", "Accept", "text/html"),
		"alias": m.events(m.h1, "/omnirelay/control/shards/watch?namespace=demo"),
	} {
		got := []string{line(client.next()), line(client.next()), client.next().id}
		want := []string{" id= demo/0 active <nil>", " id= demo/1 active <nil>", snapshot.String()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: snapshot (-want +got):\n%s", name, diff)
		}
		if typ := client.res.Header.Get("Content-Type"); typ != "text/event-stream" {
			t.Errorf("%s: Content-Type %s", name, typ)
		}
	}
	s := m.events(m.h1, "/control/events/shards?namespace=demo")
	for range 3 {
		s.next()
	}
	m.namespace("other", 3)
	p := m.do(pause("demo", 0, 1)).Position
	r := m.do(resume("demo", 1)).Position
	want := []string{
		" id= demo/0 paused ShardsPaused",
		" id=" + p.String() + " demo/1 paused ShardsPaused",
		" id=" + r.String() + " demo/1 active ShardsResumed",
	}
	if diff := cmp.Diff(want, []string{line(s.change()), line(s.change()), line(s.change())}); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	for name, again := range map[string]*sse{
		"header":    m.events(m.h1, "/control/events/shards?namespace=demo", "Last-Event-ID", p.String()),
		"both":      m.events(m.h1, "/control/events/shards?namespace=demo&resumeToken="+snapshot.String(), "Last-Event-ID", p.String()),
		"parameter": m.events(m.h1, "/control/events/shards?namespace=demo&resumeToken="+p.String()),
	} {
		if got := line(again.change()); got != want[2] {
			t.Errorf("%s: resumed with %s, want %s", name, got, want[2])
		}
	}
}

// A row that leaves the filter is sent once, with what it was.
func TestWatchLeavingRow(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 1)
	s := m.events(m.h1, "/control/events/shards?status=active")
	s.next()
	m.do(pause("demo", 0))
	m.do(resume("demo", 0))
	first, second := s.change(), s.change()
	if first.data["current"].(map[string]any)["status"] != "paused" || first.data["previous"].(map[string]any)["status"] != "active" {
		t.Errorf("leaving: %v", first.data)
	}
	if second.data["current"].(map[string]any)["status"] != "active" {
		t.Errorf("coming back: %v", second.data)
	}
}

func TestSSEPeersAndLog(t *testing.T) {
	m := newMesh(t)
	peers := m.events(m.h1, "/control/events/peers?role=worker")
	if e := peers.next(); e.name != "bookmark" || e.id != m.head().String() {
		t.Errorf("an empty snapshot: %+v", e)
	}
	log := m.events(m.h2, "/control/events/log?type=SessionOpened")
	if e := log.next(); e.name != "bookmark" {
		t.Errorf("a tail begins with %+v", e)
	}
	p := m.join("n1")
	var seen []string
	for len(seen) == 0 || seen[len(seen)-1] != "SessionOpened" {
		seen = append(seen, peers.change().data["event"].(string))
	}
	if diff := cmp.Diff([]string{"NodeJoined", "SessionOpened"}, seen); diff != "" {
		t.Errorf("peer events (-want +got):\n%s", diff)
	}
	if e := log.change(); e.id != p.String() || e.data["type"] != "SessionOpened" || e.data["actor"] != "user/test" {
		t.Errorf("log event: %+v", e)
	}
}

// How a leadership ends is told by its cause.
func TestLeadershipKinds(t *testing.T) {
	m := newMesh(t)
	c := m.connect(m.h2)
	ctx := deadline(t, 20_000)
	s, err := c.leaders.Subscribe(ctx, request(&controlv1.LeadershipSubscribeRequest{Bookmarks: true}))
	if err != nil {
		t.Fatal(err)
	}
	next := func() *controlv1.LeadershipEvent {
		t.Helper()
		for s.Receive() {
			if e := s.Msg(); e.Token != nil {
				return e
			}
		}
		t.Fatalf("the stream ended: %v", s.Err())
		return nil
	}
	if e := next(); e.Kind != controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_SNAPSHOT || e.Scope != "global-control" || e.Position == 0 {
		t.Errorf("snapshot: %v", e)
	}
	var got []string
	for _, cause := range []eventsv1.SessionCloseCause{0, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED} {
		session := m.join("n1")
		won := must[controlv1.CampaignResponse](t)(c.leaders.Campaign(ctx, request(&controlv1.CampaignRequest{Scope: "jobs", NodeId: "n1", SessionId: int64(session)}))).Msg
		if cause == 0 {
			must[controlv1.ResignResponse](t)(c.leaders.Resign(ctx, request(&controlv1.ResignRequest{Scope: "jobs", NodeId: "n1", SessionId: int64(session)})))
			m.do(membership.CloseSession{NodeID: "n1", Session: session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED})
		} else {
			m.do(membership.CloseSession{NodeID: "n1", Session: session, Cause: cause})
		}
		for range 2 {
			e := next()
			if e.Token.Term != won.Token.Term {
				t.Errorf("term %d, want %d", e.Token.Term, won.Token.Term)
			}
			got = append(got, strings.TrimPrefix(e.Kind.String(), "LEADERSHIP_EVENT_KIND_"))
		}
	}
	if diff := cmp.Diff([]string{"ELECTED", "STEPPED_DOWN", "ELECTED", "EXPIRED", "ELECTED", "LOST"}, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// A resume from any position sees every later change once, in order (A5).
func TestResumeFromEverywhere(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	for range 3 {
		m.do(pause("demo", 0, 1, 2))
		m.do(resume("demo", 0, 2))
		m.do(resume("demo", 1))
	}
	c, ctx := m.connect(m.h2), deadline(t, 20_000)
	whole := must[controlv1.ShardDiffResponse](t)(c.shards.Diff(ctx, request(&controlv1.ShardDiffRequest{Namespace: "demo", FromToken: 1}))).Msg
	for from := int64(1); from < int64(m.head()); from++ {
		s, err := c.shards.Watch(ctx, request(&controlv1.ShardWatchRequest{Namespace: "demo", ResumeToken: from}))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range whole.Diffs {
			if want.EventPosition <= from {
				continue
			}
			if !s.Receive() {
				t.Fatalf("from %d: the stream ended: %v", from, s.Err())
			}
			got := s.Msg()
			if got.EventPosition != want.EventPosition || got.Current.GetShardId() != want.Current.GetShardId() {
				t.Fatalf("from %d: %d %v, want %d %v", from, got.EventPosition, got.Current, want.EventPosition, want.Current)
			}
		}
		_ = s.Close()
	}
}

// A server that stops tells its streams to come again.
func TestStopEndsStreams(t *testing.T) {
	m := newMesh(t)
	s, err := m.connect(m.h2).peers.WatchPeers(deadline(t, 10_000), request(&controlv1.WatchPeersRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	events := m.events(m.h1, "/control/events/log")
	events.next()
	stream := m.connect(m.h2).commands.SubmitStream(deadline(t, 10_000))
	if err := stream.Send(&controlv1.CommandBatch{}); err != nil {
		t.Fatal(err)
	}
	s.Receive()
	m.server.Stop()
	for s.Receive() {
	}
	wantError(t, s.Err(), "unavailable", "stopping")
	if e := events.next(); e.name != "end" || e.data["code"] != "stopping" {
		t.Errorf("SSE ends with %+v", e)
	}
	if _, err := stream.Receive(); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("a stream of commands ends with %v", err)
	}
}

// A client that stops reading holds up nobody.
func TestSlowReader(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 500)
	slow := m.connect(m.h2)
	s, err := slow.shards.Watch(deadline(t, 20_000), request(&controlv1.ShardWatchRequest{Namespace: "demo"}))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]uint32, 500)
	for i := range all {
		all[i] = uint32(i)
	}
	for range 20 {
		m.do(pause("demo", all...))
		m.do(resume("demo", all...))
	}
	last, rows := int64(0), 0
	for rows < 500+40*500 {
		if !s.Receive() {
			t.Fatalf("the stream ended after %d rows: %v", rows, s.Err())
		}
		if p := s.Msg().EventPosition; p < last {
			t.Fatalf("position %d after %d", p, last)
		} else if p > 0 {
			last = p
		}
		rows++
	}
	if want := int64(m.head()); last != want {
		t.Errorf("ends at %d, want %d", last, want)
	}
}
