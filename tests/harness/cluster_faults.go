package harness

import (
	"os"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// stopWithin bounds an orderly end on a busy machine.
const stopWithin = 30 * time.Second

// Kill ends a server at once, as kill -9 does.
func (c *Cluster) Kill(i int) {
	c.Server(i).Kill()
	c.paused[i-1] = false
}

// Pause stops a server without ending it; Resume lets it go on.
func (c *Cluster) Pause(i int) {
	c.Server(i).Pause()
	c.paused[i-1] = true
}

// Resume ends a Pause.
func (c *Cluster) Resume(i int) {
	c.Server(i).Continue()
	c.paused[i-1] = false
}

// Stop ends a server as an operator does; it must end well.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	if code := c.Server(i).Stop(stopWithin); code != 0 {
		c.t.Errorf("%s: exit code %d after SIGTERM", c.Server(i).Name, code)
	}
}

// Launch starts a server that has ended, and waits for nothing.
func (c *Cluster) Launch(i int) {
	c.t.Helper()
	c.Server(i).Launch(c.t)
}

// Restart starts a server that has ended, and waits until it is ready.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	c.Server(i).Restart(c.t)
}

// Wipe empties the directory of a server that has ended.
func (c *Cluster) Wipe(i int) {
	c.t.Helper()
	s := c.Server(i)
	if !s.Ended() {
		c.t.Fatalf("%s runs: end it before its directory is emptied", s.Name)
	}
	if err := os.RemoveAll(s.Data); err != nil {
		c.t.Fatal(err)
	}
}

// oneWay changes the fault of what i sends to j, whichever of the two opened the
// connection.
func (c *Cluster) oneWay(i, j int, change func(*faultproxy.Fault)) {
	for _, way := range []struct {
		wire *faultproxy.Proxy
		d    faultproxy.Direction
	}{{c.wires[[2]int{i, j}], faultproxy.Up}, {c.wires[[2]int{j, i}], faultproxy.Down}} {
		f := way.wire.Fault(way.d)
		change(&f)
		way.wire.Set(way.d, f)
	}
}

// CutOneWay lets all that i sends to j vanish.
func (c *Cluster) CutOneWay(i, j int) {
	c.oneWay(i, j, func(f *faultproxy.Fault) { f.Cut = true })
}

// Delay makes all that i sends to j come later by d, and by up to d/4 more.
func (c *Cluster) Delay(i, j int, d time.Duration) {
	c.oneWay(i, j, func(f *faultproxy.Fault) { f.Delay, f.Jitter = d, d/4 })
}

// Slow gives what i sends to j a share of loss and a rate in bytes a second; 0
// is none and no limit.
func (c *Cluster) Slow(i, j int, loss float64, rate int64) {
	c.oneWay(i, j, func(f *faultproxy.Fault) { f.Loss, f.Rate = loss, rate })
}

// Partition cuts both ways between servers of different groups. Servers that no
// group names are one more group. Agents go on reaching whom they reach.
func (c *Cluster) Partition(groups ...[]int) {
	group := func(i int) int {
		return slices.IndexFunc(groups, func(g []int) bool { return slices.Contains(g, i) })
	}
	for wire := range c.wires {
		if group(wire[0]) != group(wire[1]) {
			c.CutOneWay(wire[0], wire[1])
		}
	}
}

// Heal ends every fault of every wire; all agents and members reach all servers.
func (c *Cluster) Heal() {
	for _, wire := range c.wires {
		wire.Heal()
	}
	for _, a := range c.access {
		a.Reach()
	}
}
