package main

import (
	"context"
	"encoding/json"
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

// etcdVariable makes this program the etcd server that it describes.
const etcdVariable = "OMNIRELAY_BENCH_ETCD"

// etcdConfig is an etcd server, alone or one of several. The URLs are its own,
// Cluster names all members and their peer URLs.
type etcdConfig struct {
	Dir, Name, Client, Peer, Cluster string
}

// etcdConfigs are those of a cluster of n, each in a new folder of its own.
func (r *run) etcdConfigs(n int) ([]etcdConfig, error) {
	dir, err := r.temp("etcd")
	if err != nil {
		return nil, err
	}
	addresses, err := freeAddresses(2 * n)
	if err != nil {
		return nil, err
	}
	var all []etcdConfig
	var names []string
	for i := range n {
		c := etcdConfig{Name: fmt.Sprintf("e%d", i+1), Client: "http://" + addresses[2*i], Peer: "http://" + addresses[2*i+1]}
		c.Dir = filepath.Join(dir, c.Name)
		all, names = append(all, c), append(names, c.Name+"="+c.Peer)
	}
	for i := range all {
		all[i].Cluster = strings.Join(names, ",")
	}
	return all, nil
}

// openEtcd starts an etcd server as it is configured by default but for its
// addresses, its log level and a quota that the runs do not reach. One of several
// is ready when there is a leader.
func openEtcd(ctx context.Context, c etcdConfig) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.LogLevel, cfg.LogOutputs = c.Name, c.Dir, "fatal", []string{"stderr"}
	cfg.QuotaBackendBytes = 8 << 30
	client, err := url.Parse(c.Client)
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(c.Peer)
	if err != nil {
		return nil, err
	}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = c.Cluster
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

// etcdMain is the process of an etcd server: it says when it is ready, and runs
// until it is told to end.
func etcdMain(described string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var c etcdConfig
	err := json.Unmarshal([]byte(described), &c)
	var e *embed.Etcd
	if err == nil {
		e, err = openEtcd(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	fmt.Println(etcdReady)
	select {
	case <-ctx.Done():
		e.Close()
		return 0
	case err := <-e.Err():
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
}

// etcdReady is the line by which the process says that it is ready.
const etcdReady = "etcd is ready"

// etcdProcess starts etcd in a process of its own.
func (r *run) etcdProcess(ctx context.Context) (*server, error) {
	cfgs, err := r.etcdConfigs(1)
	if err != nil {
		return nil, err
	}
	s, err := launchEtcd(cfgs[0])
	if err != nil {
		return nil, err
	}
	return s, s.await(ctx)
}

// launchEtcd starts etcd in a process of its own and does not wait for it.
func launchEtcd(cfg etcdConfig) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	described, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), etcdVariable+"="+string(described))
	ready := make(chan struct{})
	s := &server{url: cfg.Client, data: cfg.Dir, began: time.Now()}
	s.child, err = spawn(cmd, func(l string) bool {
		if l == etcdReady {
			close(ready)
		}
		return l != etcdReady
	})
	s.ready = func(ctx context.Context) error {
		timer := time.NewTimer(startWithin)
		defer timer.Stop()
		select {
		case <-ready:
			return nil
		case err := <-s.done:
			return fmt.Errorf("etcd ended: %w", err)
		case <-timer.C:
			return fmt.Errorf("etcd is not ready within %s", startWithin)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s, err
}

// etcdClient uses all of the servers that it is given.
func etcdClient(urls ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: urls, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
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

// make puts all keys, as the nodes are there before their records change.
func (k *etcdKeys) make(ctx context.Context) error {
	for i := range k.revisions {
		if err := k.put(ctx, i); err != nil {
			return err
		}
	}
	return nil
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
