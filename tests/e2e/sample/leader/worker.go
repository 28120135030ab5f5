package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

type workerConfig struct {
	endpoint, node, data, resource string
	priority                       int
	every                          time.Duration
	careless                       bool
}

func (c *workerConfig) flags(f *flag.FlagSet) {
	f.StringVar(&c.endpoint, "endpoint", "http://127.0.0.1:8080", "`URL` of a server of the mesh")
	f.StringVar(&c.node, "node-id", "", "`NAME` of this worker in the mesh")
	f.StringVar(&c.data, "data", "", "`DIRECTORY` of this worker")
	f.StringVar(&c.resource, "resource", "http://127.0.0.1:9000", "`URL` of the resource")
	f.IntVar(&c.priority, "priority", 0, "of candidates the highest `N` leads")
	f.DurationVar(&c.every, "every", 20*time.Millisecond, "`TIME` between two lines")
	f.BoolVar(&c.careless, "careless", false, "look at no lease, and leave all to the resource")
}

// runWorker is a process of the mesh until ctx ends.
func runWorker(ctx context.Context, c workerConfig) error {
	m, err := member.New(member.DefaultConfig(c.node, c.data, c.endpoint))
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	err = lead(ctx, m, c)
	if errors.Is(err, member.ErrStopped) {
		err = nil // Run says why
	}
	return errors.Join(err, <-ended)
}

// lead campaigns and works, again and again.
func lead(ctx context.Context, e member.Elector, c workerConfig) error {
	for {
		l, err := e.Campaign(ctx, scope, member.CampaignOptions{Priority: int32(c.priority)})
		if err != nil {
			return err
		}
		fmt.Println("leads with fence", l.Fence)
		fmt.Println("ended:", work(ctx, l, c))
		if err := l.Resign(ctx); err != nil {
			fmt.Println("the mesh may not know that it is over:", err)
		}
	}
}

// work writes lines until the leadership has ended, and says why it has.
func work(ctx context.Context, l *member.Leadership, c workerConfig) error {
	transport := member.FenceTransport(l, nil)
	if c.careless {
		transport = careless{l.Token()}
	} else {
		ctx = l.Context()
	}
	r := remote{url: c.resource + "/lines", client: &http.Client{Transport: transport, Timeout: 5 * time.Second}}
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	number := -1 // of the last line; -1 is not known
	for {
		err := r.next(ctx, &number, c.node)
		var stale *member.StaleFenceError
		switch {
		case errors.As(err, &stale):
			return fmt.Errorf("refused stale_fence: %w", stale)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !c.careless && l.Check() != nil:
			return l.Check()
		case err != nil:
			fmt.Println("again:", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// careless sends a token without a look at whether it is still held.
type careless struct{ token member.FencingToken }

// RoundTrip implements http.RoundTripper.
func (c careless) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	member.SetFence(r.Header, c.token)
	return http.DefaultTransport.RoundTrip(r)
}

// remote is the resource, seen by a leader.
type remote struct {
	url    string
	client *http.Client
}

// next writes the line after the last. Where the last is not known, or a line may
// be written or not, it reads first: that request has the fence too, so after it
// no line of a former leader comes.
func (r remote) next(ctx context.Context, number *int, node string) error {
	if *number < 0 {
		lines, err := r.call(ctx, http.MethodGet, "")
		if err != nil {
			return err
		}
		*number = last(lines)
	}
	if _, err := r.call(ctx, http.MethodPost, strconv.Itoa(*number+1)+" "+node); err != nil {
		*number = -1
		return err
	}
	*number++
	return nil
}

// last is the number of the last line, "<fence> <number> <node>"; 0 when there is
// none.
func last(lines []byte) int {
	lines = bytes.TrimSuffix(lines, []byte("\n"))
	fields := strings.Fields(string(lines[bytes.LastIndexByte(lines, '\n')+1:]))
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return n
}

func (r remote) call(ctx context.Context, method, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(res.Body)
	if stale, ok := member.StaleFence(res.Header); ok {
		return nil, stale
	}
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return text, err
}
