package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// scope is what is led.
const scope = "jobs/report"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "leader:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("what to run is missing (allowed: resource, worker)")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "resource":
		var r resourceConfig
		r.flags(flags)
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return runResource(ctx, r)
	case "worker":
		var w workerConfig
		w.flags(flags)
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return runWorker(ctx, w)
	}
	return fmt.Errorf("%q is nothing to run (allowed: resource, worker)", args[0])
}
