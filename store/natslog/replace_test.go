package natslog_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/store/natslog"
)

// TestRemoveTheLeaderOfTheMembership: the server that is gone may be the one that
// would have to answer; who takes it out asks until another does.
func TestRemoveTheLeaderOfTheMembership(t *testing.T) {
	cfgs := trio(t)
	s := openAll(t, cfgs...)
	leads := -1
	eventually(t, "somebody leads the membership", func() bool {
		leads = slices.IndexFunc(s, (*natslog.Store).LeadsMembership)
		return leads >= 0
	})
	other := s[(leads+1)%3]
	shutAll(t, s[leads])
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := other.RemoveServer(ctx, cfgs[leads].ServerName); err != nil {
		t.Error(err)
	}
}
