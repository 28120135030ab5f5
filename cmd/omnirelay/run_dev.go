package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	commandline "github.com/omnirelay/omnirelay/cli"
	"github.com/omnirelay/omnirelay/ops/node"
)

// runDev runs servers and agents until ctx ends or one of them fails. The agents
// end first: they release what they own to servers that still answer.
func runDev(ctx context.Context, cfg *devConfig, log *slog.Logger, out io.Writer) (err error) {
	root := cfg.server.Data
	if root == "" {
		if root, err = os.MkdirTemp("", "omnirelay-dev-*"); err != nil {
			return fmt.Errorf("temporary data directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	}
	servers, err := cfg.servers(root)
	if err != nil {
		return err
	}
	all, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	serving, stopServers := context.WithCancel(failed)
	defer stopServers()
	var addresses []<-chan string
	for _, server := range servers {
		address := make(chan string, 1)
		addresses = append(addresses, address)
		all.Go(func() error {
			return node.Run(serving, server, node.Options{Version: release(), Logger: log.With("node", server.Name),
				OnReady: func(at string) { address <- at }})
		})
	}
	all.Go(func() error {
		defer stopServers()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		context.AfterFunc(failed, cancel)
		urls, ok := urlsOf(ctx, addresses)
		if !ok {
			return nil
		}
		return runDevAgents(ctx, cfg, urls, root, log, out)
	})
	return all.Wait()
}

// urlsOf waits until all servers are ready; false when ctx ended before.
func urlsOf(ctx context.Context, addresses []<-chan string) (urls []string, ok bool) {
	for _, address := range addresses {
		select {
		case at := <-address:
			urls = append(urls, "http://"+at)
		case <-ctx.Done():
			return nil, false
		}
	}
	return urls, true
}

// runDevAgents fills servers that are ready: a namespace, agents, and a context for the
// command line. It returns when ctx ended and the agents have.
func runDevAgents(ctx context.Context, cfg *devConfig, urls []string, root string, log *slog.Logger, out io.Writer) error {
	shards, err := createNamespace(ctx, cfg, urls)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("create namespace %s: %w", cfg.Namespace, err)
	}
	current, saved := commandline.SaveContext("dev", commandline.Context{Endpoints: urls})
	agents, ctx := errgroup.WithContext(ctx)
	for i := range cfg.Nodes {
		agent := defaultAgent()
		agent.Insecure, agent.Endpoints, agent.NodeID = true, urls, fmt.Sprintf("n%d", i+1)
		agent.Data = filepath.Join(root, agent.NodeID)
		agents.Go(func() error { return runAgent(ctx, agent, log) })
	}
	cfg.greet(out, urls, root, shards, current, saved)
	agents.Go(func() error { <-ctx.Done(); return nil })
	return agents.Wait()
}

// createNamespace creates the namespace unless it is there, and returns how
// many shards it has: one of an earlier run keeps its own.
func createNamespace(ctx context.Context, cfg *devConfig, urls []string) (shards int, err error) {
	c, err := client.New(client.DefaultConfig(urls...))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_, err = c.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{
		Namespace: cfg.Namespace, ShardCount: int32(cfg.Shards),
		Mutation: &controlv1.Mutation{Reason: "omnirelay dev"},
	})
	var refused *client.Error
	if errors.As(err, &refused) && refused.Reason == "namespace_exists" {
		kept, err := c.Namespaces.Get(ctx, &controlv1.GetNamespaceRequest{Namespace: cfg.Namespace})
		return int(kept.GetShardCount()), err
	}
	return cfg.Shards, err
}
