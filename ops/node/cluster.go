package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/ops/sessions"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// The kinds of requests between servers.
const (
	commandKind   = "command"
	heartbeatKind = "heartbeat"
)

// commandsTo carries forwarded commands.
type commandsTo struct{ *natslog.Link }

// Ask implements sequencer.Transport.
func (t commandsTo) Ask(ctx context.Context, server string, request []byte) ([]byte, error) {
	answer, err := t.Link.Ask(ctx, server, commandKind, request)
	if errors.Is(err, natslog.ErrUnreachable) {
		err = fmt.Errorf("%w: %w", sequencer.ErrUnreachable, err)
	}
	return answer, err
}

// newCluster makes what takes this server's part among several; with a single
// one, heartbeats are answered here or nowhere.
func (s *server) newCluster() error {
	s.relay = &sessions.Relay{Keeper: s.keeper, Leading: func() bool { return true }}
	if !s.cfg.clustered() {
		return nil
	}
	link := s.store.Link()
	s.election = election.New(election.Config{
		Server: s.cfg.Name, Servers: len(s.cfg.Peers), Version: s.opts.Version, Address: s.address,
		Candidate: s.seq, Streams: s.store, Link: link, Clock: s.opts.Clock, Prepare: s.store.ConfirmEnd,
		Logger: s.log.With("component", "election"), Metrics: s.opts.Registry,
		Waiting: s.waitingFor, Shown: func() events.Position { return s.rows.Position() }, // opened after this
	})
	s.relay.Leading = func() bool { return s.seq.Status().Leading }
	s.relay.Leader = s.election.Leader
	s.relay.Ask = func(ctx context.Context, server string, request []byte) ([]byte, error) {
		return link.Ask(ctx, server, heartbeatKind, request)
	}
	var err error
	s.forward, err = sequencer.NewForwarder(sequencer.ForwardOptions{
		Server: s.cfg.Name, Local: s.seq, Transport: commandsTo{link}, Leader: s.election.Leader,
		Logger: s.log.With("component", "forward"), Metrics: sequencer.NewForwardMetrics(s.opts.Registry),
		OnRefused: s.refused.Decided,
	})
	return err
}

// heard is what this server hears of the others; a single server hears nobody.
type heard struct{ *server }

// Last implements failuredetector.Roster.
func (h heard) Last(server string) (at int64, stops, ok bool) {
	if h.election == nil {
		return 0, false, false
	}
	return h.election.Last(server)
}

// startCluster lets this server be asked, forward, and campaign.
func (s *server) startCluster() error {
	if s.election == nil {
		return nil
	}
	link := s.store.Link()
	if err := link.Serve(commandKind, s.forward.Serve); err != nil {
		return err
	}
	if err := link.Serve(heartbeatKind, s.relay.Serve); err != nil {
		return err
	}
	if err := link.Serve(replaceKind, s.giveReplace); err != nil {
		return err
	}
	s.parts.runs("forward", time.Second, s.forward.Run)
	s.parts.runs("election", time.Second, s.election.Run)
	s.parts.runs("introduction", time.Second, s.introduceLater)
	s.parts.runs("healing", time.Second, s.tellHealings)
	if s.grows {
		s.parts.runs("growth", time.Second, s.resumeGrown)
	}
	return nil
}

// introduceEvery is the pause between two attempts of a standby to say what it is.
const introduceEvery = 100 * time.Millisecond

// introduceLater tells the log of this server as soon as there is a leader to
// decide it. A leader says so of itself in its first frame; both decide nothing
// when the log says so already.
func (s *server) introduceLater(ctx context.Context) error {
	until(ctx, introduceEvery, func() bool {
		if _, known := s.election.Leader(); !known || s.seq.View().Model.Control.Sealed != 0 {
			return false
		}
		_, err := s.forward.Submit(ctx, joinServer(s.cfg, s.opts.Version))
		if err != nil {
			s.log.Debug("this server is not on the log yet", "error", err)
		}
		return err == nil
	})
	<-ctx.Done()
	return nil
}

// until tries something at once, and then every so often until it is done; false when
// ctx ends before.
func until(ctx context.Context, every time.Duration, try func() (done bool)) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !try() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// allStop reports whether every other server that was heard said that it stops.
func (s *server) allStop() bool {
	return !slices.ContainsFunc(s.election.Others(), func(m election.Member) bool { return !m.Leaving })
}

// retireWithin bounds the handover of leadership at a stop.
const retireWithin = 1500 * time.Millisecond

// retire hands leadership over before anything stops.
func (s *server) retire() {
	if s.election == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), retireWithin)
	defer cancel()
	began := time.Now()
	if err := s.election.Retire(ctx); errors.Is(err, election.ErrNoSuccessor) && s.allStop() {
		s.log.Info("all servers stop: leadership is handed over to none")
		return
	} else if err != nil {
		s.log.Warn("leadership not handed over: the others will miss this server", "error", err)
		return
	}
	s.log.Info("leadership is with another server", "took", time.Since(began).Round(time.Millisecond))
}
