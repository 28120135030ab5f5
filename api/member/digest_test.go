package member

import (
	"encoding/hex"
	"testing"
)

// The golden vector of the held set's digest; ops/sessions has the same one. It
// is part of the wire: members and servers of different releases must agree.
const goldenDigest = "6ce845d51c4c51744a0df68aed60f52cf7e4f15d17285650f34d24b0c0a0cad1"

func TestDigestGolden(t *testing.T) {
	held := []Held{
		{Ref: Ref{Namespace: "demo", Shard: 0}, Fence: 17, State: Owning},
		{Ref: Ref{Namespace: "demo", Shard: 65_536}, Fence: 1 << 40, State: Released},
		{Ref: Ref{Namespace: "ü", Shard: 4_294_967_295}, Fence: 18, State: 1},
	}
	if got := hex.EncodeToString(digestOf(held)); got != goldenDigest {
		t.Errorf("digest is %s, expected %s", got, goldenDigest)
	}
	if got := hex.EncodeToString(digestOf(nil)); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("digest of nothing is %s, expected SHA-256 of nothing", got)
	}
}
