//go:build !linux

package main

import (
	"errors"
	"time"
)

// fileSystem is not known here: -dir must name a folder on a disk.
func fileSystem(string) string { return "unknown" }

// processorTime is not known here: 0.
func processorTime() time.Duration { return 0 }

// processorTimeOf another process is not known here.
func processorTimeOf(int) (time.Duration, error) {
	return 0, errors.New("the processor time of another process is known on Linux only")
}
