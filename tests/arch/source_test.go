package arch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of the repository's root.
const module = "github.com/omnirelay/omnirelay"

// source is one parsed Go file.
type source struct {
	name      string // slash-separated, from the root of the repository
	folder    string // of name; what the ladder calls a package
	fset      *token.FileSet
	file      *ast.File
	test      bool // name ends in _test.go
	generated bool
}

// finding is one broken rule, at one place.
type finding struct {
	at   string // file:line, or a folder
	text string
}

func (f finding) String() string { return f.at + ": " + f.text }

// at reports a finding on the line of node.
func (s *source) at(node ast.Node, format string, args ...any) finding {
	position := s.fset.Position(node.Pos())
	return finding{
		at:   fmt.Sprintf("%s:%d", s.name, position.Line),
		text: fmt.Sprintf(format, args...),
	}
}

// base is the file's name without its folder.
func (s *source) base() string { return path.Base(s.name) }

// testSupport tells whether the file exists for tests: a test file, a package
// such as storetest, or anything under tests/.
func (s *source) testSupport() bool { return s.test || isTestFolder(s.folder) }

func isTestFolder(folder string) bool {
	return strings.HasPrefix(folder, "tests/") || strings.HasSuffix(folder, "test")
}

// imported is one import of a file.
type imported struct {
	spec *ast.ImportSpec
	path string
}

func (s *source) imports() []imported {
	all := make([]imported, 0, len(s.file.Imports))
	for _, spec := range s.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it, so this does not happen
		}
		all = append(all, imported{spec: spec, path: p})
	}
	return all
}

// local is the name under which the file knows the import path p, or "" when
// it does not import it. The default name is the last element, which holds for
// the packages of the standard library that the rules ask for.
func (s *source) local(p string) string {
	for _, i := range s.imports() {
		switch {
		case i.path != p:
		case i.spec.Name != nil:
			return i.spec.Name.Name
		default:
			return path.Base(p)
		}
	}
	return ""
}

// selects returns the selected name if expr is pkg.Name of the import path p.
func (s *source) selects(expr ast.Expr, p string) (string, bool) {
	selector, ok := expr.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok || pkg.Name != s.local(p) {
		return "", false
	}
	return selector.Sel.Name, true
}

// load parses every Go file below the root of tree that belongs to the
// repository's module, in the order of their names.
func load(tree fs.FS) ([]*source, error) {
	var all []*source
	fset := token.NewFileSet()
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(tree, name)
		}
		if path.Ext(name) != ".go" || hidden(path.Base(name)) {
			return nil
		}
		s, err := parse(tree, fset, name)
		if err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// enter decides whether the walk goes into a folder.
func enter(tree fs.FS, name string) error {
	if name == "." {
		return nil
	}
	if base := path.Base(name); hidden(base) || base == "testdata" || base == "vendor" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// hidden tells what the go command passes over.
func hidden(base string) bool { return base[0] == '.' || base[0] == '_' }

func parse(tree fs.FS, fset *token.FileSet, name string) (*source, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return &source{
		name:      name,
		folder:    path.Dir(name),
		fset:      fset,
		file:      file,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(file),
	}, nil
}

// repository parses the working tree that this test belongs to.
func repository(t *testing.T) []*source {
	t.Helper()
	// A test runs in the folder of its package, tests/arch.
	root := os.DirFS("../..")
	text, err := fs.ReadFile(root, "go.mod")
	if err != nil || !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("../.. is not the root of %s (%v)", module, err)
	}
	all, err := load(root)
	if err != nil {
		t.Fatalf("load the repository: %v", err)
	}
	if len(all) == 0 {
		t.Fatal("the repository has no Go files, so the walk is broken")
	}
	return all
}

// report fails the test with every finding, one per line, in a stable order.
func report(t *testing.T, findings []finding) {
	t.Helper()
	lines := make([]string, len(findings))
	for i, f := range findings {
		lines[i] = f.String()
	}
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		t.Error(line)
	}
}
