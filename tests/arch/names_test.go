package arch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// saysNothing are names under which anything could stand.
func saysNothing() []string {
	return []string{"util", "utils", "common", "base", "manager", "helper", "helpers"}
}

// checkNames reports package names that say nothing, that two folders share, and
// folders with two packages. External test packages count as the package that
// they test; commands are all called main.
func checkNames(sources []*source) []finding {
	var found []finding
	folderOf := map[string]string{} // by package name
	nameOf := map[string]string{}   // by folder
	for _, s := range sources {
		name := s.file.Name.Name
		if s.test {
			name = strings.TrimSuffix(name, "_test")
		}
		if name == "main" {
			continue
		}
		if slices.Contains(saysNothing(), name) {
			found = append(found, finding{at: s.folder, text: fmt.Sprintf(
				"the package name %s says nothing; name it after what it holds", name)})
		}
		if other, ok := nameOf[s.folder]; ok && other != name {
			found = append(found, s.at(s.file.Name, "package %s in the folder of package %s", name, other))
			continue
		}
		nameOf[s.folder] = name
		if other, ok := folderOf[name]; ok && other != s.folder {
			found = append(found, finding{at: s.folder, text: fmt.Sprintf(
				"the package name %s is taken by %s; names are unique in the repository", name, other)})
			continue
		}
		folderOf[name] = s.folder
	}
	return found
}

func TestNames(t *testing.T) {
	report(t, checkNames(repository(t)))
}
