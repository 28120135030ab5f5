package node

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestCheckDisk(t *testing.T) {
	dir := t.TempDir()
	if err := checkDisk(dir, 1); err != nil {
		t.Error(err)
	}
	err := checkDisk(dir, math.MaxUint64)
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error is %v; want ErrDiskFull that names the directory", err)
	}
	if fields := Explain(err); fields[1] != "disk_full" {
		t.Errorf("explained as %v", fields)
	}
	if err := checkDisk(dir+"/nowhere", 1); err == nil || errors.Is(err, ErrDiskFull) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
