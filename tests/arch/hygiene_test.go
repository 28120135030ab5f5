package arch_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// checkHygiene reports init functions, mutable package variables, sleeping tests
// and silent skips.
func checkHygiene(sources []*source) []finding {
	var found []finding
	for _, s := range sources {
		if s.generated {
			continue
		}
		found = append(found, inits(s)...)
		if !s.test {
			// The tables and switches of a test file are seen by that test alone.
			found = append(found, variables(s)...)
		}
		if s.testSupport() {
			found = append(found, sleeps(s)...)
			found = append(found, skips(s)...)
		}
	}
	return found
}

func inits(s *source) []finding {
	var found []finding
	for _, decl := range s.file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found = append(found, s.at(f, "has an init function; build the value where it is used"))
		}
	}
	return found
}

// variables reports the package variables that are neither constant in effect
// nor excused with a reason.
func variables(s *source) []finding {
	excused := excuses(s)
	var found []finding
	for _, decl := range s.file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR || excused.above(general.Doc) || excused.beside(general) {
			continue
		}
		for _, spec := range general.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok || excused.above(value.Doc) || excused.beside(value) || embedded(general, value) {
				continue
			}
			found = append(found, s.mutable(value)...)
		}
	}
	return found
}

// mutable reports the names of one spec whose value could change.
func (s *source) mutable(value *ast.ValueSpec) []finding {
	var found []finding
	for i, name := range value.Names {
		if name.Name == "_" || (i < len(value.Values) && s.constantInEffect(value.Values[i])) {
			continue
		}
		found = append(found, s.at(name, "package variable %s: make it a constant, a function or a field; "+
			"or excuse it with //nolint:gochecknoglobals // and the reason", name.Name))
	}
	return found
}

// constantInEffect accepts sentinel errors and compiled expressions.
func (s *source) constantInEffect(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	if name, ok := s.selects(call.Fun, "errors"); ok {
		return name == "New"
	}
	name, ok := s.selects(call.Fun, "regexp")
	return ok && strings.HasPrefix(name, "MustCompile")
}

// embedded tells whether a go:embed directive fills the variable.
func embedded(general *ast.GenDecl, value *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{general.Doc, value.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
			return strings.HasPrefix(c.Text, "//go:embed ")
		}) {
			return true
		}
	}
	return false
}

// excused are the places of a file's excuses: comments that say why a package
// variable is there. One without a reason excuses nothing.
type excused struct {
	s        *source
	comments map[*ast.Comment]bool
	lines    map[int]bool
}

func excuses(s *source) excused {
	directive := regexp.MustCompile(`^//nolint:gochecknoglobals // \S`)
	e := excused{s: s, comments: map[*ast.Comment]bool{}, lines: map[int]bool{}}
	for _, group := range s.file.Comments {
		for _, comment := range group.List {
			if directive.MatchString(comment.Text) {
				e.comments[comment] = true
				e.lines[s.line(comment.Pos())] = true
			}
		}
	}
	return e
}

// above tells whether an excuse is in the comment that stands over a declaration.
func (e excused) above(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return e.comments[c] })
}

// beside tells whether an excuse is on the first or last line of a declaration.
func (e excused) beside(node ast.Node) bool {
	return e.lines[e.s.line(node.Pos())] || e.lines[e.s.line(node.End())]
}

func (s *source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

// sleeps reports time.Sleep in tests. Inside the function handed to
// synctest.Test the clock is a fake, and sleeping is how it is moved.
func sleeps(s *source) []finding {
	var found []finding
	ast.Inspect(s.file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			name, ok := s.selects(n.Fun, "testing/synctest")
			return !ok || name != "Test"
		case *ast.SelectorExpr:
			if name, ok := s.selects(n, "time"); ok && name == "Sleep" {
				found = append(found, s.at(n, "sleeps; wait for the condition, with a deadline"))
			}
		}
		return true
	})
	return found
}

// skips reports t.Skip and its like without a reason in words. The receiver is
// known by its usual names, so that a decoder's Skip is not meant.
func skips(s *source) []finding {
	var found []finding
	ast.Inspect(s.file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		receiver, ok := selector.X.(*ast.Ident)
		if !ok || !slices.Contains([]string{"t", "b", "f", "tb", "rt"}, receiver.Name) {
			return true
		}
		switch selector.Sel.Name {
		case "SkipNow":
			found = append(found, s.at(call, "skips without a reason; use Skip and say why"))
		case "Skip", "Skipf":
			if len(call.Args) == 0 || !hasWords(call.Args[0]) {
				found = append(found, s.at(call, "skips without a reason in words as first argument"))
			}
		}
		return true
	})
	return found
}

// hasWords tells whether a literal text of more than blanks is in the expression.
func hasWords(expr ast.Expr) bool {
	words := false
	ast.Inspect(expr, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			words = words || err == nil && strings.TrimSpace(text) != ""
		}
		return true
	})
	return words
}

func TestHygiene(t *testing.T) {
	report(t, checkHygiene(repository(t)))
}
