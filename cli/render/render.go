package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/api/v1json"
)

// Column is one column of a table.
type Column[T any] struct {
	Name string
	// Wide columns are shown with -o wide alone.
	Wide bool
	// Width is the least width in a feed, which cannot know what comes; 0 means
	// 8.
	Width int
	Value func(T) string
}

// View is how one kind of thing is shown.
type View[T proto.Message] struct {
	Columns []Column[T]
	// Ref is what -o name prints, and what the CLI takes as an argument.
	Ref func(T) string
}

// Output is where things are shown, and how.
type Output struct {
	W      io.Writer
	Format Format
	// TTY: W is a terminal.
	TTY bool
}

// List shows items that were read at position; next is the token of the page
// that follows, if any.
func List[T proto.Message](o Output, v View[T], items []T, position int64, next string) error {
	switch o.Format {
	case JSON:
		return o.line(v1json.AppendList(nil, items, position, next))
	case YAML:
		return o.yaml(v1json.AppendList(nil, items, position, next))
	case Name:
		return v.names(o, items)
	}
	if _, err := io.WriteString(o.W, v.table(o, items)); err != nil {
		return err
	}
	return nil
}

// Record shows one item.
func Record[T proto.Message](o Output, v View[T], item T) error {
	switch o.Format {
	case JSON:
		return o.line(v1json.Marshal(item))
	case YAML:
		return o.yaml(v1json.Marshal(item))
	case Name:
		return v.names(o, []T{item})
	}
	// People get every column of a single record, one below the other.
	width := 0
	for _, c := range v.Columns {
		width = max(width, len(c.Name)+1)
	}
	for _, c := range v.Columns {
		if err := o.line([]byte(strings.TrimRight(fmt.Sprintf("%-*s  %s", width, c.Name+":", printable(c.Value(item))), " "))); err != nil {
			return err
		}
	}
	return nil
}

// Line shows one item of a feed: a line of JSON, a YAML document, a name, or
// its columns.
func Line[T proto.Message](o Output, v View[T], item T) error {
	switch o.Format {
	case JSON:
		return o.line(v1json.Marshal(item))
	case YAML:
		if _, err := io.WriteString(o.W, "---\n"); err != nil {
			return err
		}
		return o.yaml(v1json.Marshal(item))
	case Name:
		return v.names(o, []T{item})
	}
	cells := make([]string, 0, len(v.Columns))
	for _, c := range v.shown(o) {
		cells = append(cells, fmt.Sprintf("%-*s", cmp.Or(c.Width, 8), printable(c.Value(item))))
	}
	return o.line([]byte(strings.TrimRight(strings.Join(cells, "  "), " ")))
}

// Message shows a message that has no view: as JSON or YAML, else as the text
// given.
func Message(o Output, m proto.Message, words string) error {
	switch o.Format {
	case JSON:
		return o.line(v1json.Marshal(m))
	case YAML:
		return o.yaml(v1json.Marshal(m))
	}
	return o.line([]byte(words))
}

func (v View[T]) names(o Output, items []T) error {
	for _, item := range items {
		if err := o.line([]byte(v.Ref(item))); err != nil {
			return err
		}
	}
	return nil
}

func (v View[T]) shown(o Output) []Column[T] {
	shown := make([]Column[T], 0, len(v.Columns))
	for _, c := range v.Columns {
		if !c.Wide || o.Format == Wide {
			shown = append(shown, c)
		}
	}
	return shown
}

func (v View[T]) table(o Output, items []T) string {
	columns := v.shown(o)
	t := table.NewWriter()
	t.SetStyle(style(o.TTY))
	header := make(table.Row, len(columns))
	for i, c := range columns {
		header[i] = c.Name
	}
	t.AppendHeader(header)
	for _, item := range items {
		row := make(table.Row, len(columns))
		for i, c := range columns {
			row[i] = printable(c.Value(item))
		}
		t.AppendRow(row)
	}
	lines := strings.Split(t.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// style is with borders for people, without for pipes.
func style(tty bool) table.Style {
	s := table.StyleLight
	s.Format.Header = text.FormatDefault // the names are upper case already
	if !tty {
		s.Options = table.OptionsNoBordersAndSeparators
		s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	}
	return s
}

// printable replaces what would move the cursor or break the line: what is
// shown comes from other people's names and reasons.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

func (o Output) line(b []byte) error {
	_, err := o.W.Write(append(bytes.Clone(b), '\n'))
	return err
}
