package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// machine says where the figures come from.
func machine(dir string) []string {
	return []string{
		fmt.Sprintf("%d × %s, %s, %s/%s, %s, file system %s", runtime.NumCPU(), cpuModel(), runtime.Version(),
			runtime.GOOS, runtime.GOARCH, kernel(), fileSystem(dir)),
		fmt.Sprintf("etcd %s; a write of 200 bytes and an fsync take %s here; load at the start %s",
			moduleVersion("go.etcd.io/etcd/server/v3"), fsyncTime(dir), loadAverage()),
	}
}

// firstField finds "name : value" in a file; a system without it has none.
func firstField(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for l := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func cpuModel() string { return firstField("/proc/cpuinfo", "model name") }

func kernel() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "kernel unknown"
	}
	return "kernel " + strings.TrimSpace(string(data))
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}

// moduleVersion is the version of a module in this binary.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}

// commit is what is checked out, with a plus when files differ from it.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(out))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", ":/").Output(); err == nil && len(changed) > 0 {
		name += "+"
	}
	return name
}

// fsyncTime is the median of some writes of 200 bytes, each with an fsync.
func fsyncTime(dir string) string {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return "unknown"
	}
	defer f.Close() //nolint:errcheck // its bytes are of no use
	data := make([]byte, 200)
	took, err := timed(200, func(int) error {
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Sync()
	})
	if err != nil {
		return "unknown"
	}
	return time.Duration(median(took) * float64(time.Second)).Round(time.Microsecond).String()
}
