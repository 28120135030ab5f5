package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/store"
)

// patience bounds every wait of the suite.
const patience = 30 * time.Second

// Backend is an opened, empty store.
type Backend struct {
	Log      store.Log
	Register store.Register
	// Reopen closes the store and opens it again with all it has stored. nil when
	// the backend lives in memory only; the tests that need it are then left out.
	Reopen func(*testing.T) Backend
}

// Run runs the suite. open returns a new empty backend, closed by t.Cleanup.
func Run(t *testing.T, open func(*testing.T) Backend) {
	tests := []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"EmptyLog", emptyLog},
		{"PublishLoadLast", publishLoadLast},
		{"WrongExpectation", wrongExpectation},
		{"RepublishSameBytes", republishSameBytes},
		{"RacingWriters", racingWriters},
		{"ManyRacingWriters", manyRacingWriters},
		{"FrameLimit", frameLimit},
		{"Cancelled", cancelled},
		{"FollowFromStart", followFromStart},
		{"FollowFromMiddle", followFromMiddle},
		{"FollowAtTail", followAtTail},
		{"FollowBeyondTail", followBeyondTail},
		{"FollowWhilePublishing", followWhilePublishing},
		{"FollowReturnsError", followReturnsError},
		{"FollowEndsWithContext", followEndsWithContext},
		{"FollowManyLarge", followManyLarge},
		{"RegisterEmpty", registerEmpty},
		{"RegisterWrite", registerWrite},
		{"RegisterRace", registerRace},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	t.Run("Reopen", func(t *testing.T) {
		b := open(t)
		if b.Reopen == nil {
			t.Skip("the backend lives in memory only")
		}
		reopen(t, b)
	})
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
