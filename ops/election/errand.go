package election

// errand is what is done beside the steps, one at a time. It has one owner.
type errand struct{ ended chan struct{} } // closed when the last one has; nil before the first

// begin does fn on a goroutine of its own, unless the last one is still under way.
func (e *errand) begin(fn func()) {
	if e.ended != nil {
		select {
		case <-e.ended:
		default:
			return
		}
	}
	ended := make(chan struct{})
	e.ended = ended
	go func() {
		defer close(ended)
		fn()
	}()
}

// wait returns when none is under way.
func (e *errand) wait() {
	if e.ended != nil {
		<-e.ended
	}
}
