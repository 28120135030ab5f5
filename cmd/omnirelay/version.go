package main

import "runtime/debug"

var version string //nolint:gochecknoglobals // set by the linker

// release is the version that was linked in, or what `go run` and `go install`
// know of the module.
func release() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
