package v1json_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	_ "github.com/omnirelay/omnirelay/events/v1"
)

// TestWordsAreWithoutTheType: of every enum of ours the words are what its values add
// to its name, also where 0 has a meaning.
func TestWordsAreWithoutTheType(t *testing.T) {
	seen := 0
	check := func(ed protoreflect.EnumDescriptor) {
		var name strings.Builder
		for i, r := range string(ed.Name()) {
			if i > 0 && r >= 'A' && r <= 'Z' {
				name.WriteByte('_')
			}
			name.WriteRune(r)
		}
		prefix := strings.ToLower(name.String()) + "_"
		var want []string
		for i := range ed.Values().Len() {
			if v := ed.Values().Get(i); v.Number() != 0 {
				want = append(want, strings.TrimPrefix(strings.ToLower(string(v.Name())), prefix))
			}
		}
		if got := v1json.EnumWords(ed); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s has the words %q, want %q", ed.FullName(), got, want)
		}
		seen++
	}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(fd.Package()), "omnirelay.") {
			for i := range fd.Enums().Len() {
				check(fd.Enums().Get(i))
			}
		}
		return true
	})
	if seen < 20 {
		t.Errorf("%d enums were looked at: this tests little", seen)
	}
}
