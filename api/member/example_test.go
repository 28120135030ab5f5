package member_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/member"
)

// lead leads a scope for as long as it is let, and again, until ctx ends. It
// takes an Elector: a *Member in production, a *LocalElector in tests.
func lead(ctx context.Context, e member.Elector, scope string, work func(context.Context, *member.Leadership)) error {
	for {
		l, err := e.Campaign(ctx, scope, member.CampaignOptions{Priority: 10})
		if err != nil {
			return err // ctx has ended, or the mesh refuses this node
		}
		work(l.Context(), l)
		if err := l.Resign(ctx); err != nil {
			log.Printf("resigned %s, the mesh may not know yet: %v", scope, err)
		}
	}
}

// The loop of a program that leads a scope: campaign, work until Done, resign.
func ExampleElector() {
	mesh, err := member.NewLocalMesh(nil)
	if err != nil {
		log.Fatal(err)
	}
	node, err := mesh.Join("n1")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	terms := 0
	err = lead(ctx, node, "jobs/report", func(ctx context.Context, l *member.Leadership) {
		fmt.Println("leads", l.Token())
		if terms++; terms == 2 {
			stop()
			return
		}
		mesh.Depose("jobs/report") // as an operator would
		<-l.Done()
		fmt.Println("ended:", l.Err())
	})
	fmt.Println(err)
	// Output:
	// leads jobs/report fence 1
	// ended: member: no longer the leader
	// leads jobs/report fence 2
	// context canceled
}

// A process of a mesh with servers that campaigns.
func ExampleMember_Campaign() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	m, err := member.New(member.DefaultConfig("n1", "/var/lib/report", "http://127.0.0.1:8080"))
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	err = lead(ctx, m, "jobs/report", func(ctx context.Context, l *member.Leadership) {
		client := &http.Client{Transport: member.FenceTransport(l, nil)}
		for l.Check() == nil {
			res, err := client.Post("http://127.0.0.1:9000/lines", "text/plain", nil)
			if err != nil {
				log.Printf("the line may be there or not: %v", err)
				return
			}
			_ = res.Body.Close()
			if stale, ok := member.StaleFence(res.Header); ok {
				log.Printf("somebody leads with a higher fence: %v", stale)
				return
			}
		}
	})
	log.Print(errors.Join(err, <-ended))
}

// A resource in the same process: operations run in the order of their fences.
func ExampleFenceGuard_Do() {
	guard, err := member.NewFenceGuard(nil)
	if err != nil {
		log.Fatal(err)
	}
	write := func(fence int64) error {
		return guard.Do(context.Background(), "jobs/report", fence, func(ctx context.Context) error {
			token, _ := member.TokenOf(ctx)
			fmt.Println("writes with", token)
			return nil
		})
	}
	fmt.Println(write(7))
	fmt.Println(write(9))
	fmt.Println(write(8))
	// Output:
	// writes with jobs/report fence 7
	// <nil>
	// writes with jobs/report fence 9
	// <nil>
	// member: fence 8 of jobs/report is stale (allowed: 9 or higher)
}

// A guarded HTTP resource that remembers fences over restarts.
func ExampleFenceHandler() {
	dir, err := os.MkdirTemp("", "resource-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	file, err := member.OpenFenceFile(filepath.Join(dir, "fences"))
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // all was saved
	guard, err := member.NewFenceGuard(file)
	if err != nil {
		log.Fatal(err)
	}
	lines := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := member.TokenOf(r.Context())
		log.Printf("a line of %s", token) // and heed r.Context(): it ends when a higher fence comes
	})
	mux := http.NewServeMux()
	mux.Handle("/lines", member.FenceHandler(guard, lines, member.FenceRules{
		Scope: func(*http.Request) string { return "jobs/report" }, // not what the caller says
	}))
	log.Print(http.ListenAndServe("127.0.0.1:0", mux))
}

// A guarded Connect service, and a client that calls it as the leader.
func ExampleFenceHandlerInterceptor() {
	guard, err := member.NewFenceGuard(nil)
	if err != nil {
		log.Fatal(err)
	}
	server := connect.WithInterceptors(member.FenceHandlerInterceptor(guard, member.FenceProcedures{}))
	client := func(l *member.Leadership) connect.ClientOption {
		return connect.WithInterceptors(member.FenceClientInterceptor(l))
	}
	_, _ = server, client // options of the generated NewXHandler and NewXClient
}
