package commandtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// CheckReasons compares the rejection reasons that the doc.go of the package
// under test lists with those that the code can give, and with those that its
// tests name. The patterns say which files are the code; with none it is every
// file of the folder.
func CheckReasons(t *testing.T, code ...string) {
	t.Helper()
	if len(code) == 0 {
		code = []string{"*.go"}
	}
	documented, given, tested := map[string]bool{}, map[string]bool{}, map[string]bool{}
	each(t, []string{"doc.go"}, func(f *ast.File) { documentedReasons(f, documented) })
	each(t, code, func(f *ast.File) { givenReasons(f, given) })
	each(t, []string{"*_test.go"}, func(f *ast.File) { namedReasons(f, tested) })
	if len(documented) == 0 {
		t.Fatal("doc.go has no paragraph that begins with \"Rejections\"")
	}
	for _, r := range slices.Sorted(maps.Keys(documented)) {
		if !given[r] {
			t.Errorf("doc.go lists %s, which no code gives", r)
		}
		if !tested[r] {
			t.Errorf("no test wants the rejection %s", r)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(given)) {
		if !documented[r] {
			t.Errorf("the code gives %s, which doc.go does not list", r)
		}
	}
}

// each parses the files that match; test files only when the pattern asks.
func each(t *testing.T, patterns []string, fn func(*ast.File)) {
	t.Helper()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") != strings.HasSuffix(pattern, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			fn(f)
		}
	}
}

// documentedReasons reads the last paragraph of the package's comment.
func documentedReasons(f *ast.File, reasons map[string]bool) {
	paragraphs := strings.Split(f.Doc.Text(), "\n\n")
	for _, p := range paragraphs {
		if _, list, ok := strings.Cut(p, ":"); ok && strings.HasPrefix(p, "Rejections") {
			for _, r := range regexp.MustCompile(`[a-z][a-z_]*[a-z]`).FindAllString(list, -1) {
				reasons[r] = true
			}
		}
	}
}

// givenReasons finds the rejections that a file makes, by the constructors of
// package commands and by their Reason field.
func givenReasons(f *ast.File, reasons map[string]bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			callReason(n, reasons)
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Reason" {
				add(reasons, n.Value, "")
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if sel, ok := to.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reason" && i < len(n.Rhs) {
					add(reasons, n.Rhs[i], "")
				}
			}
		}
		return true
	})
}

func callReason(call *ast.CallExpr, reasons map[string]bool) {
	switch called(call) {
	case "Refuse", "refuseShard", "outOfWindow":
		for _, arg := range call.Args {
			if add(reasons, arg, "") {
				return
			}
		}
	case "Missing":
		add(reasons, call.Args[0], "_not_found")
	case "CheckVersion":
		reasons["version_mismatch"] = true
	case "BadField", "CheckName", "CheckText", "CheckLabels":
		reasons["invalid_field"] = true
	}
}

func called(call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// add takes a literal that has the form of a reason.
func add(reasons map[string]bool, expr ast.Expr, suffix string) bool {
	lit, ok := expr.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return false
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil || !regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(s) {
		return false
	}
	reasons[s+suffix] = true
	return true
}

// namedReasons takes every literal of a test that could be a reason: whether it
// is wanted there is for the reader of the test.
func namedReasons(f *ast.File, reasons map[string]bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			add(reasons, n, "")
		case *ast.CallExpr:
			if called(n) == "ThenInvalid" {
				reasons["invalid_field"] = true
			}
		}
		return true
	})
}
