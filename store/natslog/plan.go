package natslog

import (
	"fmt"
	"slices"
	"strings"
)

// account is what one server says when it is asked how far the log reaches.
type account struct {
	Server string
	// Known is the last message that it knows to be stored.
	Known uint64
	// Held is the last of the messages directly after the log's end whose bytes it
	// has; not above the log's end when it has none.
	Held uint64
	// Refuted: what it holds does not continue the log.
	Refuted bool
}

// situation is what a server knows of a log that may have lost its end.
type situation struct {
	// Servers is how many are listed, Accounts are of those that answer.
	Servers  int
	Accounts []account
	// End is the last message that the log's leader has.
	End uint64
}

// course is what to do about it.
type course int

const (
	// whole: nothing is missing.
	whole course = iota + 1
	// wait: somebody has to be heard first.
	wait
	// putBack: a server holds messages that are missing.
	putBack
	// lost: all servers are heard, and none has the next message.
	lost
)

// plan says what to do about a log that ends at End. from is the server to take
// messages from, why what is missing.
func plan(s situation) (do course, from, why string) {
	var known uint64
	var best account
	for _, a := range s.Accounts {
		known = max(known, a.Known)
		if !a.Refuted && a.Held > max(s.End, best.Held) {
			best = a
		}
	}
	switch {
	case 2*len(s.Accounts) <= s.Servers:
		return wait, "", fmt.Sprintf("%d of %d servers say how far the log reaches, and a majority is needed", len(s.Accounts), s.Servers)
	case known <= s.End:
		return whole, "", ""
	case best.Server != "":
		return putBack, best.Server, s.missing(known)
	case len(s.Accounts) < s.Servers:
		return wait, "", s.missing(known)
	}
	return lost, "", s.missing(known)
}

// missing says which messages are missing on whom.
func (s situation) missing(known uint64) string {
	var told []string
	for _, a := range s.Accounts {
		switch {
		case a.Refuted:
			told = append(told, fmt.Sprintf("%s holds others, which do not continue the log", a.Server))
		case a.Held > s.End:
			told = append(told, fmt.Sprintf("%s holds them to %d", a.Server, a.Held))
		default:
			told = append(told, fmt.Sprintf("%s holds none and knows of %d", a.Server, a.Known))
		}
	}
	slices.Sort(told)
	if n := s.Servers - len(s.Accounts); n > 0 {
		told = append(told, fmt.Sprintf("%d of %d servers do not answer", n, s.Servers))
	}
	return fmt.Sprintf("the log ends at message %d, and messages %d to %d were stored: %s", s.End, s.End+1, known, strings.Join(told, ", "))
}
