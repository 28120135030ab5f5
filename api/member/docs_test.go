package member_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: the code on the page for users is code that compiles: each block is
// in the examples, line by line.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/leadership.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Fatal("the page has no code, so the search is broken")
	}
	for _, block := range blocks {
		if !strings.Contains(string(examples), string(block[1])) {
			t.Errorf("this code of docs/leadership.md is in no example:\n%s", block[1])
		}
	}
}
