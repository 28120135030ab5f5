package sequencer

import (
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
	frame, next, err := r.mark.Verify(m)
	if err != nil {
		return err
	}
	r.model.EvolveFrame(frame)
	r.mark = next
	return nil
}

func (r *replay) view() View {
	r.model.Freeze()
	return View{Model: r.model, Mark: r.mark}
}
