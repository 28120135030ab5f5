package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// defaultDrainWithin is the deadline of a drain that names none. The server says the
// same; here it is said so that a wait has an end.
const defaultDrainWithin = 10 * time.Minute

// pollEvery is how often a wait looks at the mesh.
const pollEvery = 250 * time.Millisecond

// stallGrace is how long after its own deadline a wait waits for the mesh's, which is
// counted from when the drain was decided.
const stallGrace = 2 * time.Second

func deadlineFlag() cli.Flag {
	return &cli.DurationFlag{Name: "deadline", Value: defaultDrainWithin, Usage: "`TIME` that a node has; the drain goes on after it, and says what blocks it"}
}

func drainVerb() *cli.Command {
	return verb{
		name: "drain", usage: "have nodes give away all they have; with --wait exit 7 at the deadline", args: "NODE…", min: 1, max: -1, run: drainPeers,
		flags: mutateFlags(deadlineFlag(), &cli.BoolFlag{Name: "wait", Usage: "wait until the nodes are drained, and show how far they are"}),
	}.command()
}

func drainPeers(c *call) error {
	within, err := drainWithin(c)
	if err != nil {
		return err
	}
	if err := c.confirm("drain %s?", strings.Join(c.Args().Slice(), ", ")); err != nil {
		return err
	}
	end := time.Now().Add(within)
	err = c.each(func(node string, m *controlv1.Mutation) (*controlv1.Receipt, string, error) {
		r, err := c.client.Peers.Drain(c.ctx, &controlv1.DrainPeerRequest{NodeId: node, DeadlineMs: within.Milliseconds(), Mutation: m})
		return r, "drain of " + node + " started", err
	})
	if err != nil || !c.Bool("wait") || c.Bool("dry-run") {
		return err
	}
	return awaitDrained(c, c.Args().Slice(), end)
}

// drainWithin reads --deadline; how long is allowed is the server's to say.
func drainWithin(c *call) (time.Duration, error) {
	d := c.Duration("deadline")
	if d < time.Millisecond {
		return 0, usage("--deadline is %s (allowed: 1s to 24h)", d)
	}
	return d, nil
}

func cancelDrains(c *call) error {
	return c.each(func(node string, m *controlv1.Mutation) (*controlv1.Receipt, string, error) {
		r, err := c.client.Peers.CancelDrain(c.ctx, &controlv1.CancelDrainPeerRequest{NodeId: node, Mutation: m})
		return r, "drain of " + node + " cancelled", err
	})
}

// look reads a peer, within a call's usual time: a wait may outlast many of them.
func (c *call) look(node string) (*controlv1.Peer, error) {
	ctx, cancel := context.WithTimeout(c.feed, c.Duration("timeout"))
	defer cancel()
	_, position := c.client.LastPosition()
	return c.client.Peers.Get(ctx, &controlv1.GetPeerRequest{NodeId: node, Read: &controlv1.ReadOptions{MinPosition: position}})
}

// pause waits for the next look; false when the call ends.
func (c *call) pause() bool {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.feed.Done():
		return false
	}
}

// awaitDrained waits until all nodes are drained, and says how far they are. At the
// end it says what blocks them.
func awaitDrained(c *call, nodes []string, end time.Time) error {
	line := c.progress()
	defer line.done()
	left := nodes
	for {
		var still, blocked []string
		stalled := 0
		for _, node := range left {
			p, err := c.look(node)
			switch {
			case err != nil && !passing(err):
				return err
			case err == nil && p.GetLifecycle() == controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINED:
				continue
			case err == nil && p.GetLifecycle() != controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINING:
				return fmt.Errorf("%s is %s: its drain was cancelled", node, v1json.EnumWord(p.GetLifecycle()))
			}
			if p.GetDrain().GetStalledAt() != nil {
				stalled++
			}
			still = append(still, node)
			blocked = append(blocked, drainWords(node, p.GetDrain().GetProgress()))
		}
		if left = still; len(left) == 0 {
			return nil
		}
		if stalled == len(left) || time.Now().After(end.Add(stallGrace)) {
			return late("not drained at the deadline: %s", strings.Join(blocked, "; "))
		}
		line.show(strings.Join(blocked, "; "))
		if !c.pause() {
			return context.Cause(c.feed)
		}
	}
}

// passing reports whether an error may be another one, or none, in a moment: a wait
// goes on through it until its own end.
func passing(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && exitOf(e) == exitUnavailable || errors.Is(err, context.DeadlineExceeded)
}

// maxBlockersShown bounds the blockers in one line.
const maxBlockersShown = 5

// drainWords says how far a drain is, and what blocks it.
func drainWords(node string, p *controlv1.DrainProgress) string {
	if p == nil {
		return node + ": not known yet"
	}
	parts := []string{plural(int(p.GetShards()), "shard") + " left"}
	if p.GetMoving() > 0 {
		parts = append(parts, fmt.Sprintf("%d moving", p.GetMoving()))
	}
	if p.GetReadings() > 0 {
		parts = append(parts, fmt.Sprintf("%d read", p.GetReadings()))
	}
	if p.GetLeaderships() > 0 {
		parts = append(parts, plural(int(p.GetLeaderships()), "leadership"))
	}
	if p.GetInFlight() > 0 && p.GetShards() == 0 {
		parts = append(parts, fmt.Sprintf("%d in flight", p.GetInFlight()))
	}
	text := node + ": " + strings.Join(parts, ", ")
	shown := p.GetBlockers()[:min(len(p.GetBlockers()), maxBlockersShown)]
	var blockers []string
	for _, b := range shown {
		blockers = append(blockers, fmt.Sprintf("%s %s (%s: %s)", b.GetKind(), b.GetReference(), b.GetReason(), b.GetDetail()))
	}
	if more := len(p.GetBlockers()) - len(shown) + int(p.GetMoreBlockers()); more > 0 {
		blockers = append(blockers, fmt.Sprintf("%d more", more))
	}
	if len(blockers) > 0 {
		text += "; blocked by " + strings.Join(blockers, ", ")
	}
	return text
}
