package member_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/omnirelay/omnirelay/api/member"
)

// store is what these examples keep a shard in.
type store struct{}

func open(namespace string, shard uint32, fence int64) (*store, error) { return &store{}, nil }

func (*store) serve(ctx context.Context, check func() error) error { <-ctx.Done(); return check() }
func (*store) Close()                                              {}

// load reads what can be read of a shard before it is owned.
func load(context.Context, string, uint32) error { return nil }

// A process that owns the shards that it is given.
func ExampleConfig_own() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	cfg := member.DefaultConfig("n1", "/var/lib/orders", "http://127.0.0.1:8080")
	cfg.Namespaces = []string{"orders"} // to route keys
	cfg.Own = func(ctx context.Context, o member.Ownership) error {
		db, err := open(o.Namespace, o.Shard, o.Fence) // storage refuses lower fences
		if err != nil {
			return err // the shard is given back
		}
		defer db.Close()              // a release is complete when Own returns
		return db.serve(ctx, o.Check) // Check before what only an owner may do
	}
	err := member.Run(ctx, cfg)
	log.Print(err)
}

// What is done before and after an ownership.
func ExampleConfig_prepare() {
	cfg := member.DefaultConfig("n1", "/var/lib/orders", "http://127.0.0.1:8080")
	cfg.Prepare = func(ctx context.Context, p member.Preparation) error {
		context.AfterFunc(ctx, func() { log.Printf("%s is not needed any more", p) })
		return load(ctx, p.Namespace, p.Shard) // while p.Owner serves on
	}
	cfg.Release = func(ctx context.Context, o member.Ownership) error {
		log.Printf("%s is closed, and nobody else has it yet", o)
		return nil
	}
	log.Print(member.Run(context.Background(), cfg))
}

// Work that a release waits for.
func ExampleOwnership_Begin() {
	write := func(ctx context.Context, fence int64, key, value string) error { return nil }
	put := func(m *member.Member, key, value string) error {
		to, err := m.Route("orders", key)
		if err != nil {
			return err
		}
		o, mine := m.Owned("orders", to.Shard)
		if !mine {
			return fmt.Errorf("ask %s", to.NodeID)
		}
		done, err := o.Begin()
		if err != nil {
			return err // being released: ask again
		}
		defer done()
		return write(o.Permit(), o.Fence, key, value)
	}
	_ = put
}

// A service of which each node takes every request.
func ExampleMember_Forward() {
	cfg := member.DefaultConfig("n1", "/var/lib/orders", "http://127.0.0.1:8080")
	cfg.Labels = map[string]string{member.DefaultAddrLabel: "10.0.0.7:9001"} // where others reach it
	m, err := member.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, _ := member.OwnershipOf(r.Context())
		log.Print("serving under ", o)
	})
	handler, err := m.Forward(member.ForwardConfig{
		Namespace: "orders",
		Key:       func(r *http.Request) (string, error) { return r.URL.Query().Get("order"), nil },
		Serve:     orders, // of shards that are owned here
		Reads:     orders, // by the old owner, while a shard changes hands with overlap
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Print(http.ListenAndServe("10.0.0.7:9001", handler)) }()
	log.Print(m.Run(context.Background()))
}

// The state of a shard in a directory that all owners see.
func ExampleFenceJournal() {
	dir, err := os.MkdirTemp("", "journal-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	open := func(fence int64) (*member.FenceJournal, error) {
		token := member.FencingToken{Scope: "shard/orders/3", Fence: fence} // o.Token()
		return member.OpenFenceJournal(dir, token, func(r member.JournalRecord) error {
			fmt.Printf("owner %d reads %s\n", fence, r.Data)
			return nil
		})
	}
	old, err := open(7)
	if err != nil {
		log.Fatal(err)
	}
	defer old.Close() //nolint:errcheck // what was appended is there
	fmt.Println(old.Append([]byte("apples")))
	next, err := open(9)
	if err != nil {
		log.Fatal(err)
	}
	defer next.Close() //nolint:errcheck // what was appended is there
	fmt.Println(next.Append([]byte("pears")))
	fmt.Println(old.Append([]byte("plums")))
	// Output:
	// <nil>
	// owner 9 reads apples
	// <nil>
	// member: fence 7 of shard/orders/3 is stale (allowed: 9 or higher)
}

// A database that takes nothing of former owners.
func ExampleFenceSQL_Do() {
	fences := member.FenceSQL{Param: member.DollarParam} // PostgreSQL
	put := func(ctx context.Context, db *sql.DB, o member.Ownership, key, value string) error {
		return fences.Do(ctx, db, o.Token(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE orders SET value = $1 WHERE key = $2", value, key)
			return err
		})
	}
	_ = put
}

// A resource of its own, over HTTP, or in the process.
func ExampleOwnership_Token() {
	write := func(ctx context.Context) error { return nil }
	guard, err := member.NewFenceGuard(nil)
	if err != nil {
		log.Fatal(err)
	}
	send := func(o member.Ownership) error {
		client := &http.Client{Transport: member.FenceTransport(o, nil)}
		res, err := client.Post("http://127.0.0.1:9000/lines", "text/plain", nil)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	put := func(ctx context.Context, o member.Ownership) error {
		return guard.Do(ctx, o.Token().Scope, o.Fence, write)
	}
	_, _ = send, put
}
