package natslog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/store/natslog"
)

// openWithin opens a server, or says why not.
func openWithin(t *testing.T, cfg natslog.Config, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s, err := natslog.Open(ctx, cfg)
	if err == nil {
		err = errors.Join(errors.New("it opened"), s.Close())
	}
	return err
}

// TestEraIsLearnt: servers that know of no era take it from the one that does, and
// all find the log again when they come back, before and after their first anchor.
func TestEraIsLearnt(t *testing.T) {
	cfgs := trio(t)
	first := cfgs[0]
	first.Era = 2
	s := openAll(t, first, cfgs[1], cfgs[2])
	c := &chain{era: 2}
	for _, anchors := range []bool{false, true, true} {
		for range 20 {
			c.must(t, s[1])
		}
		for i, st := range s {
			if st.Era() != 2 {
				t.Fatalf("s%d has era %d", i+1, st.Era())
			}
			if anchors {
				if err := st.Anchor(c.head); err != nil {
					t.Fatal(err)
				}
			}
		}
		shutAll(t, s...)
		s = openAll(t, cfgs...)
		if last, err := s[2].Last(t.Context()); err != nil || last != c.head.Sequence {
			t.Fatalf("the log ends at message %d, error %v; want %d", last, err, c.head.Sequence)
		}
	}
	shutAll(t, s[2])
	other := cfgs[2]
	other.Dir, other.ServerName, other.Era = t.TempDir(), "s3-99999993", 1
	if err := openWithin(t, other, 10*time.Second); err == nil || !strings.Contains(err.Error(), "era 2") {
		t.Errorf("a server of another era: %v", err)
	}
}

// TestHelloOfALogThatBegan: a server that was there when the log began, and holds it
// since, is not taken for an empty one with which a log may begin.
func TestHelloOfALogThatBegan(t *testing.T) {
	s := openAll(t, trio(t)...)
	if diff := cmp.Diff([]bool{true, true, true}, s[0].HeardEmpty(t.Context())); diff != "" {
		t.Errorf("nothing is stored (-want +got):\n%s", diff)
	}
	c := &chain{}
	c.must(t, s[0])
	eventually(t, "nobody says that it is empty", func() bool {
		return cmp.Equal([]bool{false, false, false}, s[0].HeardEmpty(t.Context()))
	})
}

// TestNameIsTaken: of two directories under one name the second is refused, and the
// first goes on.
func TestNameIsTaken(t *testing.T) {
	cfgs := trio(t)
	s := openAll(t, cfgs...)
	shutAll(t, s[2])
	second := cfgs[2]
	second.ServerName = "s1-99999991"
	second.Dir = t.TempDir()
	err := openWithin(t, second, 10*time.Second)
	if !errors.Is(err, natslog.ErrNameTaken) || !strings.Contains(err.Error(), cfgs[0].ServerName) {
		t.Errorf("a second server of a name: %v; want name_taken, and whose", err)
	}
	(&chain{}).must(t, s[0])
}
