package sequencer

import (
	"context"

	"github.com/omnirelay/omnirelay/commands"
)

// Serve answers a batch of another server, and never forwards it. Who sent it is
// for the transport to prove: the actors of its requests are believed.
func (f *Forwarder) Serve(ctx context.Context, request []byte) []byte {
	if !f.opts.Local.Status().Leading {
		return f.reply(reply{All: new(failureOf(ErrNotLeader))})
	}
	select {
	case f.serving <- struct{}{}:
		defer func() { <-f.serving }()
	default:
		return f.reply(reply{All: new(failureOf(ErrOverloaded))})
	}
	in, err := f.wire.decodeAsk(request)
	if err != nil {
		f.opts.Logger.Debug("a batch of another server is not understood, nothing of it is tried", "error", err)
		return f.reply(reply{All: new(olderLeader(err))})
	}
	ctx, cancel := context.WithTimeout(ctx, in.wait())
	defer cancel()
	return f.reply(f.decideAsk(ctx, in))
}

func olderLeader(err error) wireAnswer {
	return wireAnswer{Outcome: sentOlderLeader, Text: err.Error()}
}

// decideAsk has the local sequencer decide what is understood. A request that is
// not is answered by itself, and holds up none of the others.
func (f *Forwarder) decideAsk(ctx context.Context, in ask) reply {
	out := reply{Answers: make([]wireAnswer, len(in.Requests))}
	rs, places := make([]commands.Request, 0, len(in.Requests)), make([]int, 0, len(in.Requests))
	for i, b := range in.Requests {
		r, err := f.wire.decode(b)
		if err != nil {
			out.Answers[i] = olderLeader(err)
			continue
		}
		rs, places = append(rs, r), append(places, i)
	}
	at, err := decideBatch(ctx, f.opts.Local, rs, in.Barrier, func(i int, r commands.Receipt, err error) {
		out.Answers[places[i]] = answerOf(r, err)
	})
	if in.Barrier {
		out.Barrier = new(answerOf(at, err))
		out.Barrier.cut(1 << 10)
	}
	fit(out.Answers)
	return out
}

// reply encodes an answer.
func (f *Forwarder) reply(r reply) []byte {
	b, err := f.wire.enc.Marshal(r)
	if err != nil { // a reply is numbers and texts
		panic("sequencer: encode an answer: " + err.Error())
	}
	return b
}
