package sessions

import (
	"encoding/hex"
	"testing"
)

// The golden vector of the held set's digest; api/member has the same one. It is
// part of the wire: members and servers of different releases must agree.
const goldenDigest = "6ce845d51c4c51744a0df68aed60f52cf7e4f15d17285650f34d24b0c0a0cad1"

func TestDigestGolden(t *testing.T) {
	held := []Held{
		{Namespace: "demo", Shard: 0, Fence: 17, State: Owning},
		{Namespace: "demo", Shard: 65_536, Fence: 1 << 40, State: Released},
		{Namespace: "ü", Shard: 4_294_967_295, Fence: 18, State: Prepared},
	}
	got := Digest(held)
	if got := hex.EncodeToString(got[:]); got != goldenDigest {
		t.Errorf("digest is %s, expected %s", got, goldenDigest)
	}
}
