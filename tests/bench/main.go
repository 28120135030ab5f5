package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	if child, ok := os.LookupEnv(etcdVariable); ok {
		os.Exit(etcdMain(child))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		stop()
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	run *regexp.Regexp
	// row chooses lines that compare or measure one thing; nil is all.
	row   *regexp.Regexp
	short bool
	out   string
	dir   string
	// prof is where the profiles of this process go, one per group; "" takes none.
	prof   string
	binary string
	reps   int
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	pattern := fs.String("run", "", "run only the groups whose name matches this regular expression")
	row := fs.String("row", "", "of those groups, measure only the lines that match this regular expression")
	fs.BoolVar(&o.short, "short", false, "one short repetition of everything: that it works, not how fast")
	fs.StringVar(&o.out, "out", "", "append the table, as Markdown, to this file")
	fs.StringVar(&o.dir, "dir", "", "where data goes, on a disk (default the system's temporary directory)")
	fs.StringVar(&o.prof, "prof", "", "write a processor profile of each group into this folder")
	fs.StringVar(&o.binary, "binary", "", "measure this omnirelay instead of building one")
	fs.IntVar(&o.reps, "reps", 3, "repetitions of each side")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("argument %q: there are only flags", fs.Arg(0))
	}
	if o.reps < 1 || o.reps > 100 {
		return o, fmt.Errorf("-reps is %d; allowed are 1 to 100", o.reps)
	}
	if o.short {
		o.reps = 1
	}
	var err, rowErr error
	o.run, err = regexp.Compile(*pattern)
	o.row, rowErr = regexp.Compile(*row)
	return o, errors.Join(err, rowErr)
}

// bench runs what the arguments ask for.
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r, err := newRun(o, stderr)
	if err != nil {
		return err
	}
	defer r.close()
	began := time.Now()
	var failed error
	for _, g := range groups() {
		if !o.run.MatchString(g.name) {
			continue
		}
		if err := r.group(ctx, g); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", g.name, err))
		}
	}
	r.notes = append(r.notes, fmt.Sprintf("took %s; load at the end %s", time.Since(began).Round(time.Second), loadAverage()))
	if err := r.print(stdout); err != nil {
		return err
	}
	if o.out != "" {
		failed = errors.Join(failed, r.appendTo(o.out))
	}
	return failed
}

// group is some lines that share what they need.
type group struct {
	name string
	// about says what is compared, and where each side runs.
	about string
	run   func(context.Context, *run) error
}

func groups() []group {
	return []group{
		{"commands", "durable commands in process, one replica: full decide + frame + fsync against etcd's Txn(If ModRevision Then Put 200 B)", commandsInProcess},
		{"rpc", "durable commands by api/client (keys included) against clientv3, both servers in processes of their own", commandsByRPC},
		{"reads", "point reads; both servers in processes of their own", pointReads},
		{"lists", "1,000 shards against a range of 1,000 keys; and of the past", lists},
		{"rebuild", "projections from a log of 1,000,000 events in frames, in process", rebuild},
		{"watch", "100 watchers at 500 events/s, both servers in processes of their own", watchers},
		{"place", "write model, controllers and projection in process, on the real log", place},
		{"ownership", "members with api/member and their servers of requests in this process, the mesh's server in a process of its own; requests are sent to any member and passed on to the owner", ownership},
		{"rules", "placement under constraints, the arithmetic alone", rules},
		{"idle", "memory and start of `omnirelay serve` and of etcd, each a process", idle},
		{"replicas", "durable commands in process, three replicas: three stores with their sequencers, and three members of etcd, all in this process", replicatedInProcess},
		{"anyserver", "durable commands by api/client (keys included) against clientv3 on all members, three servers on both sides, each a process", commandsAnywhere},
		{"failover", "the leader of three servers ends, each a process: the longest time without an acknowledged command, from the signal on; attempts of at most " + attemptFor.String() + " at each of the two others", failover},
		{"scopes", "the holder of leadership scopes falls silent, three servers, the control leader lives: time until its successor is seen; sessions and etcd's leases of " + scopeTTL.String(), scopes},
		{"beats", "signs of life of sessions, one a second each, from clients of their own to all three servers in turn; etcd: keepalives of leases", beats},
		{"trio", "three servers, each a process: start, and memory", threeServers},
	}
}
