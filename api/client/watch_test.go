package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/client"
)

// row is a message of a shard watch: position, event, shard@version.
func row(position, event int64, shard string, version int64) *controlv1.ShardDiffNotification {
	return &controlv1.ShardDiffNotification{
		Position: position, EventPosition: event, Current: &controlv1.ShardRecord{Namespace: "ns", ShardId: shard, Version: version},
	}
}

func gone(position, event int64, shard string) *controlv1.ShardDiffNotification {
	return &controlv1.ShardDiffNotification{Position: position, EventPosition: event, Previous: &controlv1.ShardRecord{Namespace: "ns", ShardId: shard}}
}

func bookmark(position int64) *controlv1.ShardDiffNotification {
	return &controlv1.ShardDiffNotification{Position: position}
}

func TestWatchDeliversOnceOverManyStreams(t *testing.T) {
	tests := []struct {
		name string
		// streams are what the server sends, stream by stream; each is cut at
		// its end.
		streams [][]*controlv1.ShardDiffNotification
		// tokens are the resume tokens that the streams are opened with.
		tokens []int64
		want   []string
	}{
		{
			"cut between decisions",
			[][]*controlv1.ShardDiffNotification{
				{row(0, 0, "1", 1), row(5, 0, "2", 1), bookmark(5), row(7, 7, "1", 2)},
				{row(9, 9, "2", 2)},
			},
			[]int64{0, 7},
			[]string{"1@1", "2@1", "1@2", "2@2"},
		},
		{
			"cut inside a decision: its rows come again",
			[][]*controlv1.ShardDiffNotification{
				{bookmark(5), row(8, 9, "1", 2), row(8, 10, "2", 2)},
				{row(8, 9, "1", 2), row(8, 10, "2", 2), row(11, 11, "3", 2), bookmark(14), row(14, 15, "1", 3)},
				{row(14, 15, "1", 3), row(16, 16, "1", 4)},
			},
			[]int64{0, 8, 14},
			[]string{"1@2", "2@2", "3@2", "1@3", "1@4"},
		},
		{
			"cut inside a snapshot: what changed and what is gone",
			[][]*controlv1.ShardDiffNotification{
				{row(0, 0, "1", 1), row(0, 0, "2", 1), row(0, 0, "3", 1)},
				{row(0, 0, "1", 1), row(0, 0, "2", 2), row(0, 0, "4", 1), bookmark(9), row(10, 10, "1", 2)},
			},
			[]int64{0, 0},
			[]string{"1@1", "2@1", "3@1", "2@2", "4@1", "-3", "1@2"},
		},
		{
			"a row that leaves the filter",
			[][]*controlv1.ShardDiffNotification{{row(0, 0, "1", 1), bookmark(4), gone(6, 6, "1")}},
			[]int64{0},
			[]string{"1@1", "-1"},
		},
		{
			"a server without bookmarks",
			[][]*controlv1.ShardDiffNotification{
				{row(5, 0, "1", 1)},
				{row(5, 0, "1", 1), row(6, 6, "1", 2)},
				{row(7, 7, "1", 3)},
			},
			[]int64{0, 0, 6},
			[]string{"1@1", "1@2", "1@3"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var tokens, logs record
			f := &fake{}
			f.shards.watch = func(r *connect.Request[controlv1.ShardWatchRequest], s *connect.ServerStream[controlv1.ShardDiffNotification]) error {
				n := tokens.add(fmt.Sprint(r.Msg.GetResumeToken()))
				if r.Msg.GetResumeToken() > 0 {
					logs.add(r.Header().Get("X-Mesh-Log"))
				}
				if n > len(test.streams) {
					return refusal(connect.CodeDataLoss, "the script is over", &controlv1.ErrorDetail{Reason: "over"})
				}
				for _, m := range test.streams[n-1] {
					if err := s.Send(m); err != nil {
						return err
					}
				}
				return refusal(connect.CodeUnavailable, "cut", &controlv1.ErrorDetail{})
			}
			c := dial(t, nil, serve(t, f.handler()).URL)
			var got []string
			var last error
			for m, err := range c.Shards.Watch(bounded(t), &controlv1.ShardWatchRequest{}) {
				switch {
				case err != nil:
					last = err
				case m.GetCurrent() != nil:
					got = append(got, fmt.Sprintf("%s@%d", m.GetCurrent().GetShardId(), m.GetCurrent().GetVersion()))
				default:
					got = append(got, "-"+m.GetPrevious().GetShardId())
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			var e *client.Error
			if !errors.As(last, &e) || e.Reason != "over" {
				t.Errorf("ended with %v", last)
			}
			var wantTokens []string
			for _, token := range test.tokens {
				wantTokens = append(wantTokens, fmt.Sprint(token))
			}
			if diff := cmp.Diff(wantTokens, tokens.all()[:len(test.tokens)]); diff != "" {
				t.Errorf("resume tokens (-want +got)\n%s", diff)
			}
			for _, log := range logs.all() {
				if log != "c1.1" {
					t.Errorf("resumed with log %q, want the one that the token is of", log)
				}
			}
		})
	}
}

// A connection that breaks, rather than a stream that ends with an error.
func TestWatchSurvivesABrokenConnection(t *testing.T) {
	var tokens record
	cut := make(chan func(), 1)
	f := &fake{watchPeers: func(r *controlv1.WatchPeersRequest, s *connect.ServerStream[controlv1.PeerNotification]) error {
		n := int64(tokens.add(fmt.Sprint(r.GetResumeToken())))
		if err := s.Send(&controlv1.PeerNotification{Position: n, EventPosition: n, Current: &controlv1.Peer{NodeId: "n1", Version: n}}); err != nil {
			return err
		}
		(<-cut)()
		return nil
	}}
	server := serve(t, f.handler())
	c := dial(t, nil, server.URL)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	var versions []int64
	for m, err := range c.Peers.Watch(ctx, &controlv1.WatchPeersRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, m.GetCurrent().GetVersion())
		if len(versions) == 3 {
			cut <- func() {}
			break
		}
		cut <- server.CloseClientConnections
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, versions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, tokens.all()); diff != "" {
		t.Error(diff)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	f := &fake{watchPeers: func(_ *controlv1.WatchPeersRequest, s *connect.ServerStream[controlv1.PeerNotification]) error {
		return s.Send(&controlv1.PeerNotification{Position: 1, EventPosition: 1, Current: &controlv1.Peer{NodeId: "n1"}})
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	var last error
	for _, err := range c.Peers.Watch(ctx, &controlv1.WatchPeersRequest{}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
}

func TestTail(t *testing.T) {
	var after record
	f := &fake{tail: func(r *controlv1.TailRequest, s *connect.ServerStream[controlv1.LogEvent]) error {
		n := after.add(fmt.Sprint(r.GetAfter()))
		for i := int64(1); i <= 3; i++ {
			// The second stream goes on from further back, as one whose server
			// rounds to a decision would.
			if err := s.Send(&controlv1.LogEvent{Position: 40 + i + int64(n-1)*2}); err != nil {
				return err
			}
		}
		if n == 1 {
			return refusal(connect.CodeUnavailable, "cut", &controlv1.ErrorDetail{})
		}
		return nil
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	var got []int64
	for e, err := range c.Log.Tail(bounded(t), &controlv1.TailRequest{UntilHead: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.GetPosition())
	}
	if diff := cmp.Diff([]int64{41, 42, 43, 44, 45}, got); diff != "" {
		t.Error(diff)
	}
	// The head of the call's moment, not that of the second stream's.
	if diff := cmp.Diff([]string{"40", "43"}, after.all()); diff != "" {
		t.Error(diff)
	}
}
