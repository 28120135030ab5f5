package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
)

// Config says who this process is in the mesh and what it does there. Start
// from DefaultConfig.
type Config struct {
	// Client says how the servers are reached; its Endpoints are required.
	Client client.Config

	// NodeID is unique in the mesh; at most one process has it at a time.
	NodeID string
	// Role is what namespaces name to be placed here.
	Role         string
	Region, Zone string
	// Weight is the share of the load, beside other nodes.
	Weight float64
	Labels map[string]string
	// Version is shown to operators; may be empty.
	Version string

	// DataDir keeps the session's secret, the log that this node belongs to and
	// the newest position that it saw. One process at a time uses it.
	DataDir string

	// Prepare is called in a goroutine of its own for each shard whose move goes to
	// this node, while its owner serves on: to load what can be loaded before. The
	// owner is asked to release when it returned nil; an error, or a panic, is tried
	// again after some time, until the move's deadline. ctx ends, with
	// [ErrMoveEnded], when the shard is not coming after all, also after Prepare has
	// returned: whatever it made can then go. When the shard comes, ctx lives until
	// the ownership has ended. Own is called only when Prepare has returned. nil is
	// always prepared.
	Prepare func(ctx context.Context, p Preparation) error

	// Own is called in a goroutine of its own for each shard that this node
	// owns, and owns it until it returns. ctx ends when the ownership is to end;
	// a release is complete when Own has returned. Returning earlier, or
	// panicking, gives the shard back after 1 s, and 30 s at most when it
	// happens again and again. nil holds every shard and does nothing.
	Own func(ctx context.Context, o Ownership) error

	// Release is called after Own has returned, of its own accord or asked to
	// release, and before the release is reported: nobody else owns the shard yet,
	// and o.Check passes. ctx is o.Permit. It is not called when the lease or the
	// assignment ended first. Its error is logged, and the shard is given up all
	// the same. nil does nothing.
	Release func(ctx context.Context, o Ownership) error

	// Read is called in a goroutine of its own for each shard that this node reads
	// beside its owner. ctx ends when it is to read it no more. Returning earlier,
	// or panicking, has it called again after 1 s, and 30 s at most when it happens
	// again and again. nil reads nothing; the mesh does not know that.
	Read func(ctx context.Context, r Reading) error

	// Namespaces are followed from the start, for Route.
	Namespaces []string

	// TakeoverWait is how long to wait while the servers say that another
	// process has this NodeID: one that died without its data directory has it
	// until its session expires. 0 fails at once.
	TakeoverWait time.Duration
	// LeaveTimeout bounds the release of all shards and the leave when Run's ctx
	// ends. 0 stops without leaving: the session stays until its TTL has passed,
	// or until this node starts again.
	LeaveTimeout time.Duration
	// LeaveSilence bounds how much of that goes by while no server answers: then
	// there is nobody to release to, and the session ends by its TTL in any case.
	// 0 is no bound of its own.
	LeaveSilence time.Duration

	// Logger gets one line per transition; nil is slog.Default().
	Logger *slog.Logger
	// Clock is the boot time in nanoseconds; nil is [BootTime].
	Clock func() int64
}

// DefaultConfig is a worker of weight 1 that leaves when it stops.
func DefaultConfig(nodeID, dataDir string, endpoints ...string) Config {
	c := client.DefaultConfig(endpoints...)
	// A server that hangs must not use up the lease.
	c.AttemptTimeout = 2 * time.Second
	c.UserAgent = "omnirelay-member"
	return Config{
		Client: c, NodeID: nodeID, Role: "worker", Weight: 1, DataDir: dataDir,
		TakeoverWait: 30 * time.Second, LeaveTimeout: 10 * time.Second,
		LeaveSilence: 3 * time.Second,
	}
}

// Validate names the first field that is wrong and what it may be. Names and
// labels are the servers' to check.
func (c Config) Validate() error {
	switch {
	case c.NodeID == "":
		return errors.New("member: NodeID is empty (allowed: a name that is unique in the mesh)")
	case c.Role == "":
		return errors.New("member: Role is empty (allowed: a name, for example worker)")
	case c.DataDir == "":
		return errors.New("member: DataDir is empty (allowed: a directory that this process may write)")
	case !(c.Weight > 0):
		return fmt.Errorf("member: Weight is %v (allowed: more than 0)", c.Weight)
	case c.TakeoverWait < 0:
		return fmt.Errorf("member: TakeoverWait is %s (allowed: 0 or more)", c.TakeoverWait)
	case c.LeaveTimeout < 0:
		return fmt.Errorf("member: LeaveTimeout is %s (allowed: 0 or more)", c.LeaveTimeout)
	case c.LeaveSilence < 0:
		return fmt.Errorf("member: LeaveSilence is %s (allowed: 0 or more)", c.LeaveSilence)
	}
	for _, name := range c.Namespaces {
		if name == "" {
			return errors.New("member: Namespaces has an empty name (allowed: names of namespaces)")
		}
	}
	return c.Client.Validate()
}
