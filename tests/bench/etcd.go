package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// etcdVariable makes this program an etcd server on the folder that it names.
const etcdVariable = "OMNIRELAY_BENCH_ETCD"

// openEtcd starts an etcd server of one member, as it is configured by default
// but for its addresses, its log level and a quota that the runs do not reach.
func openEtcd(ctx context.Context, dir string) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.LogOutputs = dir, "fatal", []string{"stderr"}
	cfg.QuotaBackendBytes = 8 << 30
	client, peer, err := twoURLs()
	if err != nil {
		return nil, err
	}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case <-timer.C:
		err = fmt.Errorf("etcd is not ready within %s", startWithin)
	case <-ctx.Done():
		err = ctx.Err()
	}
	e.Close()
	return nil, err
}

func twoURLs() (client, peer url.URL, err error) {
	for _, u := range []*url.URL{&client, &peer} {
		address, err := freeAddress()
		if err != nil {
			return client, peer, err
		}
		*u = url.URL{Scheme: "http", Host: address}
	}
	return client, peer, nil
}

// etcdMain is the process of an etcd server: it says where it listens, and runs
// until it is told to end.
func etcdMain(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	e, err := openEtcd(ctx, dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	fmt.Println(etcdReady + "http://" + e.Clients[0].Addr().String())
	select {
	case <-ctx.Done():
		e.Close()
		return 0
	case err := <-e.Err():
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
}

// etcdReady begins the line by which the process says that it is ready.
const etcdReady = "etcd ready at "

// etcdProcess starts etcd in a process of its own.
func (r *run) etcdProcess(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := r.temp("etcd")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), etcdVariable+"="+filepath.Join(dir, "data"))
	ready := make(chan string, 1)
	began := time.Now()
	c, err := spawn(cmd, func(l string) bool {
		u, ok := strings.CutPrefix(l, etcdReady)
		if ok {
			ready <- u
		}
		return !ok
	})
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case u := <-ready:
		return &server{child: c, url: u, data: dir, readyAfter: time.Since(began)}, nil
	case err := <-c.done:
		return nil, fmt.Errorf("etcd ended: %w\n%s", err, c.tail.buf.String())
	case <-timer.C:
		err = fmt.Errorf("etcd is not ready within %s", startWithin)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, c.kill())
}

func etcdClient(url string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{url}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
}

// etcdKeys are keys of which each belongs to one caller, with their revisions.
type etcdKeys struct {
	client    clientv3.KV
	name      string
	revisions []int64
}

func newEtcdKeys(client clientv3.KV, name string, n int) *etcdKeys {
	return &etcdKeys{client: client, name: name, revisions: make([]int64, n)}
}

// put is the transaction that a command is held against: if the key is as it
// was seen last, it gets another value.
func (k *etcdKeys) put(ctx context.Context, i int) error {
	key := fmt.Sprintf("%s/%d", k.name, i)
	res, err := k.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", k.revisions[i])).
		Then(clientv3.OpPut(key, value(k.revisions[i]))).Commit()
	if err != nil {
		return err
	}
	if !res.Succeeded {
		return fmt.Errorf("etcd key %s is not at revision %d", key, k.revisions[i])
	}
	k.revisions[i] = res.Header.Revision
	return nil
}

// putAll is one transaction over all keys.
func (k *etcdKeys) putAll(ctx context.Context) error {
	var ifs []clientv3.Cmp
	var then []clientv3.Op
	for i, rev := range k.revisions {
		key := fmt.Sprintf("%s/%d", k.name, i)
		ifs = append(ifs, clientv3.Compare(clientv3.ModRevision(key), "=", rev))
		then = append(then, clientv3.OpPut(key, value(rev)))
	}
	res, err := k.client.Txn(ctx).If(ifs...).Then(then...).Commit()
	if err != nil {
		return err
	}
	if !res.Succeeded {
		return fmt.Errorf("etcd keys %s/… are not at revisions %v", k.name, k.revisions)
	}
	for i := range k.revisions {
		k.revisions[i] = res.Header.Revision
	}
	return nil
}

// value is 200 bytes that differ with n: what both sides write.
func value(n int64) string {
	const size = 200
	s := fmt.Sprintf("%020d", n)
	return s + padding[:size-len(s)]
}

const padding = "the rest of a label or of a value, which is two hundred bytes long on both sides of the table, so that neither of them writes less than the other one does: " +
	"nothing of it is ever read by anybody, and so on."
