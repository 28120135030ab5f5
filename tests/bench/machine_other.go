//go:build !linux

package main

// fileSystem is not known here: -dir must name a folder on a disk.
func fileSystem(string) string { return "unknown" }
