package harness

import (
	"os"
	"time"
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

// Heal ends every fault between servers; all agents and members reach all servers.
func (c *Cluster) Heal() {
	c.Faults.Heal()
	for _, a := range c.access {
		a.Reach()
	}
}
