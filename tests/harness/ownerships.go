package harness

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Owned is who owns a shard by the log, in which session, since which position.
type Owned struct {
	Node           string
	Session, Fence int64
}

// Owners reads who owns what of a namespace out of the log alone, and what is wrong
// on the way: an owner that comes before the one before it has released (S1), a
// fence that does not rise (L2), a session that has ended (S3). The namespace is one
// whose ownership ends with the session.
func Owners(all []*controlv1.LogEvent, namespace string) (map[string]Owned, []string) {
	r := &ownersReader{namespace: namespace, sessions: map[string]int64{}, owners: map[string]Owned{}, fences: map[string]int64{}}
	for _, e := range all {
		r.read(e)
	}
	return r.owners, r.problems
}

type ownersReader struct {
	namespace string
	sessions  map[string]int64 // the open one of each node
	owners    map[string]Owned // by shard
	fences    map[string]int64 // the highest of each shard
	problems  []string
}

func (r *ownersReader) read(e *controlv1.LogEvent) {
	data := e.GetData().GetFields()
	node := data["nodeId"].GetStringValue()
	switch e.GetType() {
	case "SessionOpened":
		r.sessions[node] = e.GetPosition()
		return
	case "SessionClosed":
		r.closed(node, int64(data["session"].GetNumberValue()))
		return
	}
	if data["namespace"].GetStringValue() != r.namespace {
		return
	}
	switch e.GetType() {
	case "ShardsAssigned":
		each(data["assignments"], func(a fields, shard string) {
			r.take(e, shard, a.text("nodeId"), a.number("session"))
		})
	case "ShardsReleased":
		each(data["releases"], func(a fields, shard string) {
			r.release(e, shard, a.text("nodeId"), a.number("session"))
		})
	case "ShardsHandedOver":
		each(data["handovers"], func(a fields, shard string) {
			r.release(e, shard, a.text("from"), a.number("fromSession"))
			r.take(e, shard, a.text("to"), a.number("toSession"))
		})
	}
}

// closed ends a session, and with it what was owned in it.
func (r *ownersReader) closed(node string, session int64) {
	if r.sessions[node] == session {
		delete(r.sessions, node)
	}
	for shard, o := range r.owners {
		if o.Node == node && o.Session == session {
			delete(r.owners, shard)
		}
	}
}

func (r *ownersReader) take(e *controlv1.LogEvent, shard, node string, session int64) {
	if o, owned := r.owners[shard]; owned {
		r.wrong(e, "S1: shard %s is given to %s while %s owns it", shard, node, o.Node)
	}
	if r.sessions[node] != session {
		r.wrong(e, "S3: shard %s is given to session %d of %s, whose session is %d", shard, session, node, r.sessions[node])
	}
	if e.GetPosition() <= r.fences[shard] {
		r.wrong(e, "L2: shard %s has had fence %d", shard, r.fences[shard])
	}
	r.fences[shard] = e.GetPosition()
	r.owners[shard] = Owned{Node: node, Session: session, Fence: e.GetPosition()}
}

func (r *ownersReader) release(e *controlv1.LogEvent, shard, node string, session int64) {
	if o := r.owners[shard]; o.Node != node || o.Session != session {
		r.wrong(e, "S1: shard %s is released by session %d of %s, and session %d of %q owns it", shard, session, node, o.Session, o.Node)
	}
	delete(r.owners, shard)
}

func (r *ownersReader) wrong(e *controlv1.LogEvent, format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...)+fmt.Sprintf(" (position %d: %s)", e.GetPosition(), e.GetSummary()))
}

// fields are those of one item of a list in an event.
type fields map[string]*structpb.Value

func (f fields) text(name string) string  { return f[name].GetStringValue() }
func (f fields) number(name string) int64 { return int64(f[name].GetNumberValue()) }

// each calls do for every shard of every item of a list, whose field shards is ids
// and ranges such as 0-3,7.
func each(list *structpb.Value, do func(item fields, shard string)) {
	for _, value := range list.GetListValue().GetValues() {
		item := fields(value.GetStructValue().GetFields())
		for part := range strings.SplitSeq(item.text("shards"), ",") {
			first, last, ranged := strings.Cut(part, "-")
			from, _ := strconv.Atoi(first)
			to := from
			if ranged {
				to, _ = strconv.Atoi(last)
			}
			for id := from; id <= to; id++ {
				do(item, strconv.Itoa(id))
			}
		}
	}
}
