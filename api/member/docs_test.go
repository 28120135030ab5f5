package member_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: the code on the pages for users is code that compiles: each block is
// in the examples, line by line.
func TestDocs(t *testing.T) {
	t.Parallel()
	examples := allOf(t, "example*_test.go")
	blocks := 0
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1) {
			blocks++
			if !strings.Contains(examples, string(block[1])) {
				t.Errorf("this code of %s is in no example:\n%s", filepath.Base(page), block[1])
			}
		}
	}
	if blocks == 0 {
		t.Fatal("no page has code, so the search is broken")
	}
}

// allOf is the text of all files of a pattern.
func allOf(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
