package sequencer

import (
	"encoding/hex"
	"fmt"
)

// parseHex decodes s into exactly dst.
func parseHex(s string, dst []byte) error {
	b, err := hex.DecodeString(s)
	if err != nil {
		return err
	}
	if len(b) != len(dst) {
		return fmt.Errorf("%d bytes, want %d", len(b), len(dst))
	}
	copy(dst, b)
	return nil
}
