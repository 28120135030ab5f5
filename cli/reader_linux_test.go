package cli_test

import (
	"bufio"
	"context"
	"os"
	"strings"
	"testing"

	meshcli "github.com/omnirelay/omnirelay/cli"
)

// omnirelay mesh log tail --follow | head -1 ends with head, however long
// nothing happens.
func TestFeedEndsWithItsReader(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("OMNIRELAY_ENDPOINT", serve(t))
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	var errs strings.Builder
	a := app()
	a.Writer, a.ErrWriter = writer, &errs
	code := make(chan int)
	go func() {
		code <- meshcli.Main(context.Background(), a, strings.Fields("omnirelay mesh log tail --follow --from 42 --actor quiet"))
	}()
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil || !strings.HasPrefix(line, "42 ") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != 141 || errs.String() != "" {
		t.Errorf("exit %d, %q; want 141 and nothing said", got, errs.String())
	}
}
