package node

import (
	"context"
	"errors"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// replicas lets the API ask for the copies of the log.
type replicas struct{ log *natslog.Store }

// List implements server.Replicas.
func (r replicas) List(ctx context.Context) (map[string]*controlv1.Replica, error) {
	all, err := r.log.Replicas(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]*controlv1.Replica{}
	for _, x := range all {
		out[x.Server] = &controlv1.Replica{Directory: x.NATS, State: stateOf(x), Lag: int64(x.Lag)}
	}
	return out, nil
}

func stateOf(r natslog.Replica) string {
	switch {
	case r.Leads:
		return "leads"
	case r.Offline:
		return "offline"
	case r.Current:
		return "current"
	}
	return "behind"
}

// Replace implements server.Replicas.
func (r replicas) Replace(ctx context.Context, server string, check bool) (whole func(context.Context) error, err error) {
	directory, err := r.log.Replace(ctx, server, check)
	if errors.Is(err, natslog.ErrNotReplaceable) {
		return nil, commands.Refuse("not_replaceable", "%v", err)
	}
	return func(ctx context.Context) error { return r.log.AwaitReplica(ctx, directory) }, err
}
