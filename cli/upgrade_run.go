package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// runUpgrade stops at the first thing that goes wrong, with what is left to do. All
// that it knows is in the mesh, so that another run goes on from there.
func runUpgrade(c *call) error {
	if _, err := drainWithin(c); err != nil {
		return err
	}
	for _, flag := range []string{"rejoin-within", "wait-healthy"} {
		if c.Duration(flag) <= 0 {
			return usage("--%s is %s (allowed: more than 0)", flag, c.Duration(flag))
		}
	}
	page, err := c.client.Peers.Collect(c.ctx, &controlv1.ListPeersRequest{Role: c.String("role"), Labels: c.StringSlice("label")})
	if err != nil {
		return err
	}
	plan, err := planUpgrade(page.Items, c.String("batch"), c.String("target-version"))
	if err != nil {
		return err
	}
	if c.Bool("dry-run") || len(plan.batches) == 0 {
		return plan.show(c)
	}
	if err := c.confirm("drain and upgrade %s in %d batches?", plural(len(plan.left(0)), "node"), len(plan.batches)); err != nil {
		return err
	}
	if err := c.awaitHealthy(); err != nil {
		return fmt.Errorf("nothing was begun: %w", err)
	}
	for i, batch := range plan.batches {
		title := fmt.Sprintf("batch %d of %d", i+1, len(plan.batches))
		if err := c.upgradeBatch(title, batch); err != nil {
			return fmt.Errorf("%s (%s): %w; left to do: %s; run the same command again to go on",
				title, strings.Join(idsOf(batch), ", "), err, strings.Join(plan.left(i), ", "))
		}
	}
	c.tell("upgraded %s", plural(len(plan.left(0)), "node"))
	return nil
}

// tell writes a line of what was done.
func (c *call) tell(format string, args ...any) {
	if c.out.Format == render.Table || c.out.Format == render.Wide {
		fmt.Fprintf(c.out.W, format+"\n", args...)
	}
}

func (c *call) upgradeBatch(title string, batch []*upgradeNode) error {
	if err := c.drainBatch(title, batch); err != nil {
		return err
	}
	if err := c.renew(title, batch); err != nil {
		return err
	}
	for _, n := range batch {
		if err := c.reopen(n); err != nil {
			return err
		}
	}
	if err := c.awaitHealthy(); err != nil {
		return err
	}
	c.tell("%s: %s upgraded", title, strings.Join(idsOf(batch), ", "))
	return nil
}

// change is the context and the mutation of one command.
func (c *call) change() (context.Context, context.CancelFunc, *controlv1.Mutation) {
	ctx, cancel := context.WithTimeout(c.feed, c.Duration("timeout"))
	return ctx, cancel, &controlv1.Mutation{Reason: c.String("reason"), ChangeTicket: c.String("ticket")}
}

func (c *call) drainBatch(title string, batch []*upgradeNode) error {
	within := c.Duration("deadline")
	end := time.Now().Add(within)
	var waits []string
	for _, n := range batch {
		if n.drained {
			continue
		}
		ctx, cancel, m := c.change()
		_, err := c.client.Peers.Drain(ctx, &controlv1.DrainPeerRequest{NodeId: n.id, DeadlineMs: within.Milliseconds(), Mutation: m})
		cancel()
		if err != nil {
			return fmt.Errorf("drain %s: %w", n.id, err)
		}
		waits = append(waits, n.id)
	}
	if len(waits) == 0 {
		return nil
	}
	if err := awaitDrained(c, waits, end); err != nil {
		return err
	}
	c.tell("%s: %s drained", title, strings.Join(waits, ", "))
	return nil
}

// renew has the hook, or the operator, upgrade the nodes, and waits for each to be
// another process than before.
func (c *call) renew(title string, batch []*upgradeNode) error {
	var left []*upgradeNode
	for _, n := range batch {
		if !n.renewed {
			left = append(left, n)
		}
	}
	if len(left) == 0 {
		return nil
	}
	if c.String("hook") != "" {
		if err := c.hooks(left); err != nil {
			return err
		}
	} else if err := c.confirm("%s: upgrade and restart %s now. Done?", title, strings.Join(idsOf(left), ", ")); err != nil {
		return err
	}
	line := c.progress()
	defer line.done()
	end := time.Now().Add(c.Duration("rejoin-within"))
	for {
		var waits []string
		for _, n := range left {
			why, err := c.notRenewed(n)
			if err != nil {
				return err
			}
			if why != "" {
				waits = append(waits, n.id+": "+why)
			}
		}
		if len(waits) == 0 {
			return nil
		}
		text := strings.Join(waits, "; ")
		if !time.Now().Before(end) {
			return late("not back after %s: %s", c.Duration("rejoin-within"), text)
		}
		line.show(text)
		if !c.pause() {
			return context.Cause(c.feed)
		}
	}
}

// notRenewed says why a node is not the process that is waited for; empty when it is.
func (c *call) notRenewed(n *upgradeNode) (string, error) {
	p, err := c.look(n.id)
	target := c.String("target-version")
	switch {
	case err != nil && passing(err):
		return "not known now", nil
	case err != nil:
		return "", err
	case p.GetSessionId() == 0:
		return "it has no session", nil
	case p.GetSessionId() == n.session:
		return "it has the session of before", nil
	case target != "" && p.GetMeshVersion() != target:
		return fmt.Sprintf("it has version %s, not %s", dash(p.GetMeshVersion()), target), nil
	}
	return "", nil
}

// hooks runs the hook for all nodes of a batch at once, and waits for all.
func (c *call) hooks(batch []*upgradeNode) error {
	ctx, cancel := context.WithTimeout(c.feed, c.Duration("rejoin-within"))
	defer cancel()
	errs := make([]error, len(batch))
	var mu sync.Mutex // one hook's output at a time
	var all sync.WaitGroup
	for i, n := range batch {
		all.Go(func() {
			out, err := c.hook(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			for line := range bytes.Lines(out) {
				fmt.Fprintf(c.App.ErrWriter, "%s: %s\n", n.id, bytes.TrimRight(line, "\r\n"))
			}
			if err != nil {
				// By its text: the exit code of a hook is not that of this command.
				errs[i] = fmt.Errorf("the hook for %s: %s", n.id, err)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// hookGrace is how long a hook that was asked to end may take, its children's open
// outputs included.
const hookGrace = 5 * time.Second

func (c *call) hook(ctx context.Context, n *upgradeNode) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", c.String("hook"))
	cmd.Env = append(os.Environ(), "OMNIRELAY_NODE_ID="+n.id, "OMNIRELAY_TARGET_VERSION="+c.String("target-version"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = hookGrace
	return cmd.CombinedOutput()
}

// reopen gives a node shards again; one that an operator had cordoned is so again.
func (c *call) reopen(n *upgradeNode) error {
	ctx, cancel, m := c.change()
	defer cancel()
	if _, err := c.client.Peers.Uncordon(ctx, &controlv1.UncordonPeerRequest{NodeId: n.id, Mutation: m}); err != nil {
		return fmt.Errorf("uncordon %s: %w", n.id, err)
	}
	if !n.cordoned {
		return nil
	}
	again := &controlv1.Mutation{Reason: m.GetReason(), ChangeTicket: m.GetChangeTicket()}
	if _, err := c.client.Peers.Cordon(ctx, &controlv1.CordonPeerRequest{NodeId: n.id, Mutation: again}); err != nil {
		return fmt.Errorf("cordon %s again: %w", n.id, err)
	}
	return nil
}

// awaitHealthy waits until no shard is unowned or moving, twice in a row: what an
// open node brings about begins a moment later.
func (c *call) awaitHealthy() error {
	line := c.progress()
	defer line.done()
	within := c.Duration("wait-healthy")
	end := time.Now().Add(within)
	for calm := 0; calm < 2; {
		why, err := c.unhealthy()
		if err != nil {
			return err
		}
		if calm++; why != "" {
			calm = 0
			if !time.Now().Before(end) {
				return late("after %s the mesh is not at rest: %s", within, why)
			}
			line.show(why)
		}
		if calm < 2 && !c.pause() {
			return context.Cause(c.feed)
		}
	}
	return nil
}

func (c *call) unhealthy() (string, error) {
	ctx, cancel := context.WithTimeout(c.feed, c.Duration("timeout"))
	defer cancel()
	_, position := c.client.LastPosition()
	st, err := c.client.System.Status(ctx, &controlv1.GetStatusRequest{Read: &controlv1.ReadOptions{MinPosition: position}})
	switch {
	case err != nil && passing(err):
		return "its state is not known", nil
	case err != nil:
		return "", err
	case st.GetShards().GetUnowned() > 0 || st.GetShards().GetMoving() > 0:
		return fmt.Sprintf("%s unowned, %d moving", plural(int(st.GetShards().GetUnowned()), "shard"), st.GetShards().GetMoving()), nil
	}
	return "", nil
}
