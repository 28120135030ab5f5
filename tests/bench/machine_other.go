//go:build !linux

package main

import "time"

// fileSystem is not known here: -dir must name a folder on a disk.
func fileSystem(string) string { return "unknown" }

// processorTime is not known here: 0.
func processorTime() time.Duration { return 0 }
