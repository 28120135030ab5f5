package election

import (
	"testing"
	"testing/synctest"
)

// TestErrand: one at a time, and another when it has ended.
func TestErrand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e errand
		e.wait()
		began, goOn := 0, make(chan struct{})
		do := func() { began++; <-goOn }
		e.begin(do)
		synctest.Wait()
		e.begin(do)
		close(goOn)
		e.wait()
		if began != 1 {
			t.Errorf("%d are under way at a time", began)
		}
		e.begin(do)
		e.wait()
		if began != 2 {
			t.Errorf("%d were begun, want another after the first", began)
		}
	})
}
