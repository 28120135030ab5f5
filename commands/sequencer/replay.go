package sequencer

import (
	"fmt"

	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/store"
)

// replay evolves many frames into one model that nobody else sees: without a
// clone per frame.
type replay struct {
	model *model.Model
	mark  store.Mark
}

func newReplay(v View) *replay { return &replay{model: v.Model.Clone(), mark: v.Mark} }

// add verifies that the message follows, and evolves it.
func (r *replay) add(m store.Message) error {
	if err := r.mark.Follows(m); err != nil {
		return fmt.Errorf("message %d: %w", m.Sequence, err)
	}
	frame, head, err := r.mark.Head.Next(m.Data)
	if err != nil {
		return fmt.Errorf("message %d: %w", m.Sequence, err)
	}
	r.model.EvolveFrame(frame)
	r.mark = store.Mark{Head: head, Sequence: m.Sequence}
	return nil
}

func (r *replay) view() View {
	r.model.Freeze()
	return View{Model: r.model, Mark: r.mark}
}
