package sessions

import (
	"time"

	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
)

// settlingEra is the wait after a restore. Members may hold leases of the time
// before, in sessions and for shards that the restored log does not know, so the
// wait is a timer of its own and not that of any session. It is as long as the
// longest of them may be ridden through. Like those it starts
// again when authority is gained anew. Sessions of before run out meanwhile: none
// is answered, and the brake, which waits for them to be heard again, is off.
type settlingEra struct {
	number   uint64
	settling bool
	settled  int64 // boot time
}

func (e *settlingEra) sync(m *model.Model, anew bool, now int64) {
	c := m.Control
	if c.Settling && (anew || !e.settling || e.number != c.Era) {
		longest := max(c.Settle, m.Policy.SessionTTL(), time.Duration(m.Shard.LongestTTL()))
		e.settled = now + int64(longest+Grace)
	}
	e.number, e.settling = c.Era, c.Settling
}

// answers reports whether a leader may keep leases alive on its log. On a sealed
// one only the leader that sealed it does: one that began to lead it later cannot
// know whether the log goes on elsewhere by now, in a copy, where the session may
// be closed and its shards be another's (S1).
func answers(m *model.Model, term events.Position) bool {
	return m.Control.Sealed == 0 || term < m.Control.Sealed
}
