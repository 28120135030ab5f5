package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// loadSnapshot reads the snapshot of the write model. One that is not usable is
// as good as none: the log is replayed.
func loadSnapshot(dir string, log *slog.Logger) (sequencer.View, error) {
	view, err := sequencer.LoadSnapshot(dir)
	if errors.Is(err, sequencer.ErrSnapshot) {
		log.Warn("snapshot dropped, the log is replayed instead", "error", err)
		return sequencer.View{}, nil
	}
	return view, err
}

// checkSnapshot drops a snapshot that is not of this log.
func checkSnapshot(ctx context.Context, view sequencer.View, in store.Log, log *slog.Logger) (sequencer.View, error) {
	if view.Mark.Sequence == 0 {
		return sequencer.View{}, nil
	}
	msg, err := in.Load(ctx, view.Mark.Sequence)
	if errors.Is(err, store.ErrNotFound) || (err == nil && events.HashOf(msg.Data) != view.Mark.Hash) {
		log.Warn("snapshot dropped, the log has another frame there and is replayed instead",
			"position", uint64(view.Mark.Position), "message", view.Mark.Sequence)
		return sequencer.View{}, nil
	}
	if err != nil {
		return sequencer.View{}, err
	}
	return view, nil
}
