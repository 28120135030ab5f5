package natslog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/store/natslog"
)

// scrubbed is a log that is scrubbed at once and then all the time.
func scrubbed(t *testing.T) (logged, *prometheus.Registry) {
	t.Helper()
	l := newLogged(t)
	reg := prometheus.NewRegistry()
	l.cfg.ScrubEvery, l.cfg.ScrubRate, l.cfg.Metrics = time.Second, 1<<30, reg
	return l, reg
}

// TestScrubFindsDamage: a byte that goes bad under a running server ends its guard,
// with file and position, although nobody reads that message.
func TestScrubFindsDamage(t *testing.T) {
	l, reg := scrubbed(t)
	s := open(t, l.cfg)
	guarded := make(chan error, 1)
	go func() { guarded <- s.Guard(deadline(t)) }()
	eventually(t, "a round is over", func() bool { return value(t, reg, "mesh_log_scrub_rounds_total") >= 1 })
	if got, least := value(t, reg, "mesh_log_scrub_bytes_total"), float64(damageFrames*damageFrame); got < least {
		t.Errorf("%.0f bytes were scrubbed, want %.0f at least", got, least)
	}
	flipQuietly(t, l.blocks(t)[1], 500_000)
	err := <-guarded
	wantDamage(t, err, natslog.ErrCorrupt, l.end, false)
	if got := value(t, reg, "mesh_log_scrub_damaged_total"); got != 1 {
		t.Errorf("%.0f damaged places are counted", got)
	}
}

// TestScrubAtOnce: what was not read at Open is scrubbed then, not a day later.
func TestScrubAtOnce(t *testing.T) {
	l, _ := scrubbed(t)
	l.cfg.ScrubEvery = 24 * time.Hour
	flipQuietly(t, l.blocks(t)[0], 500_000)
	s := open(t, l.cfg)
	err := s.Guard(deadline(t))
	wantDamage(t, err, natslog.ErrCorrupt, l.end, false)
}

// TestScrubLetsWritersWrite: the last file is read while it is written, and one that
// vanishes is no damage.
func TestScrubLetsWritersWrite(t *testing.T) {
	l, reg := scrubbed(t)
	s := open(t, l.cfg)
	ctx, cancel := context.WithCancel(t.Context())
	guarded := make(chan error, 1)
	go func() { guarded <- s.Guard(ctx) }()
	c := &chain{size: damageFrame, head: l.end}
	rounds := 0.0
	for range 60 {
		c.fill(t, s, 1)
		rounds = value(t, reg, "mesh_log_scrub_rounds_total")
	}
	eventually(t, "two more rounds are over", func() bool { return value(t, reg, "mesh_log_scrub_rounds_total") >= rounds+2 })
	cancel()
	if err := <-guarded; err != nil {
		t.Error(err)
	}
}

// TestReplicaThatDiffers: a copy that lags is told of by the guard, and one that holds another message
// ends it.
func TestReplicaThatDiffers(t *testing.T) {
	cfgs := trio(t)
	for i := range cfgs {
		cfgs[i].ReplicaWithin = 500 * time.Millisecond
	}
	s := openAll(t, cfgs...)
	c := &chain{}
	for range 5 {
		c.must(t, s[0])
	}
	other := c.head
	other.Hash[0] ^= 1
	if err := s[1].Anchor(other); err != nil {
		t.Fatal(err)
	}
	err := s[1].Guard(deadline(t))
	var damaged *natslog.CorruptError
	if !errors.As(err, &damaged) || damaged.Sequence != other.Sequence || damaged.Position != other.Position {
		t.Errorf("%v; want a CorruptError of message %d", err, other.Sequence)
	}
	ahead := c.head
	ahead.Sequence, ahead.Position = 9, 18
	if err := s[2].Anchor(ahead); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	guarded := make(chan error, 1)
	go func() { guarded <- s[2].Guard(ctx) }()
	eventually(t, "it says that its copy is behind", func() bool { return s[2].Trouble() != "" })
	t.Log(s[2].Trouble())
	for range 4 {
		c.must(t, s[0])
	}
	cancel()
	<-guarded
}

// value of a metric.
func value(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return 0
}
