package server

import (
	"strconv"
	"strings"
)

// versionETag is the tag of a record, or with a position that of a list.
func versionETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// matchesETag reports whether a header names a tag, or any by *. Weak tags are
// compared by what they hold: rows are never equal in value and different in
// bytes.
func matchesETag(header []string, etag string) bool {
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == "*" || one == etag {
				return true
			}
		}
	}
	return false
}

// parseIfMatch reads the version out of an If-Match: 0 is any.
func parseIfMatch(header string) (int64, error) {
	text := strings.TrimSpace(header)
	if text == "" || text == "*" {
		return 0, nil
	}
	const allowed = `* or one ETag as it was given, for example "7"`
	text, quoted := strings.CutPrefix(text, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	version, err := strconv.ParseInt(text, 10, 64)
	if !quoted || !closed || err != nil || version <= 0 {
		return 0, badField("If-Match", allowed, "is %.80q", header)
	}
	return version, nil
}
