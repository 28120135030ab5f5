package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

// Archives is what is done with archives on this machine, without a server. It
// is made of server code, which this package does not import: the program brings
// it. Errors that are an [*client.Error] have the exit code of their Code.
type Archives interface {
	// Verify reads an archive to its end. What is wrong with it is in the answer.
	Verify(ctx context.Context, r io.Reader) (*controlv1.VerifyResponse, error)
	// Restore makes a data directory of an archive.
	Restore(ctx context.Context, r io.Reader, o RestoreOptions) (*controlv1.RestoreSummary, error)
}

// RestoreOptions are the flags of a restore.
type RestoreOptions struct {
	Data, Name      string
	Position, Above int64
	Settle          time.Duration
	Reason, Ticket  string
	DryRun          bool
}

// archiveTimeout is the default of what reads or writes a whole log.
const archiveTimeout = time.Hour

// maxSettle bounds --settle.
const maxSettle = 24 * time.Hour

func backupVerb() verb {
	return verb{
		name: "backup", usage: "write the whole log, up to its head, into an archive; - is the standard output",
		args: "FILE", min: 1, max: 1, timeout: archiveTimeout, run: backupLog,
		flags: []cli.Flag{&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE if it is there"}},
	}
}

func backupLog(c *call) error {
	ctx, cancel := context.WithTimeout(c.feed, c.Duration("timeout"))
	defer cancel()
	path := c.Args().First()
	if path == "-" {
		if c.out.TTY {
			return usage("an archive is not for a terminal (allowed: a FILE, or - with the output in a pipe)")
		}
		// The summary goes where it is in nobody's way.
		out := c.out
		c.out.W = c.App.ErrWriter
		a, err := c.client.Log.Backup(ctx, out.W)
		if err != nil {
			return err
		}
		return c.archived(a)
	}
	if _, err := os.Lstat(path); err == nil && !c.Bool("overwrite") {
		return usage("%s is there already (allowed: another FILE, or --overwrite)", path)
	}
	var a *controlv1.ArchiveSummary
	err := writeWhole(path, func(w io.Writer) (err error) {
		a, err = c.client.Log.Backup(ctx, w)
		return err
	})
	if err != nil {
		return err
	}
	return c.archived(a)
}

func (c *call) archived(a *controlv1.ArchiveSummary) error {
	return render.Message(c.out, a, fmt.Sprintf("archived %s of %s, era %d, up to position %d, head %s, in %s",
		plural(int(a.GetFrames()), "frame"), a.GetClusterId(), a.GetEra(), a.GetPosition(), a.GetHeadHash(), plural(int(a.GetBytes()), "byte")))
}

// writeWhole writes a file under its name only when it is whole and on the disk.
func writeWhole(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.partial")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = errors.Join(w.Flush(), f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func restoreVerb(archives Archives) verb {
	return verb{
		name: "restore", usage: "make the data directory of a server from an archive, in a new era; - is the standard input",
		args: "FILE", min: 1, max: 1, timeout: archiveTimeout, local: always,
		run: func(c *call) error { return restoreLog(c, archives) },
		flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Required: true, Usage: "`DIR` to make; empty, or not there"},
			&cli.StringFlag{Name: "name", Value: "s1", Usage: "`NAME` of the server that will serve it"},
			&cli.StringFlag{Name: "position", Usage: "restore up to `P`, the end of a decision; to the end if not given"},
			&cli.StringFlag{Name: "above", Usage: "`P` was seen on the log that is lost: begin above it, too"},
			&cli.DurationFlag{Name: "settle", Usage: "a member may have a lease of this `TIME`, longer than the archive knows"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
			&cli.BoolFlag{Name: "dry-run", Usage: "read the archive and tell, write nothing"},
			&cli.StringFlag{Name: "reason", Usage: "`WHY`, kept in the log"},
			&cli.StringFlag{Name: "ticket", Usage: "change `TICKET`, kept in the log"},
		},
	}
}

func restoreLog(c *call, archives Archives) error {
	o := RestoreOptions{
		Data: c.String("data"), Name: c.String("name"), Settle: c.Duration("settle"),
		Reason: c.String("reason"), Ticket: c.String("ticket"), DryRun: c.Bool("dry-run"),
	}
	var err error
	for flag, value := range map[string]*int64{"position": &o.Position, "above": &o.Above} {
		if c.IsSet(flag) {
			if *value, err = parsePosition("--"+flag, c.String(flag)); err != nil {
				return err
			}
		}
	}
	if o.Settle < 0 || o.Settle > maxSettle {
		return usage("--settle is %s (allowed: 0 to %s)", o.Settle, maxSettle)
	}
	in, err := c.open(c.Args().First())
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	if err := c.confirm("restore into %s? All servers of the log that it was made from must be stopped, and stay so.", o.Data); err != nil {
		return err
	}
	r, err := archives.Restore(c.ctx, in, o)
	if err != nil {
		return err
	}
	words := fmt.Sprintf("restored up to position %d into %s: era %d begins at position %d", r.GetRestoredPosition(), o.Data, r.GetEra(), r.GetNext())
	if r.GetDryRun() {
		words = "dry run: nothing was written; would be " + words
	}
	return render.Message(c.out, r, words)
}

// open opens an archive; - is the standard input.
func (c *call) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(c.App.Reader), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	return f, nil
}

// verifyArchive answers as the server does for its own log.
func verifyArchive(c *call, archives Archives) (*controlv1.VerifyResponse, error) {
	if c.IsSet("from") {
		return nil, usage("--from goes with a server's log, and --archive is read whole: give one of the two")
	}
	in, err := c.open(c.String("archive"))
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // only read
	return archives.Verify(c.ctx, in)
}

func sealVerb() verb {
	return verb{
		name: "seal", usage: "end the log until it is unsealed: every command is refused, no session expires",
		flags: mutateFlags(), run: func(c *call) error {
			if err := c.confirm("seal the log? Nothing can be changed or placed until it is unsealed."); err != nil {
				return err
			}
			r, err := c.client.Log.Seal(c.ctx, &controlv1.SealRequest{Mutation: c.mutation()})
			if err != nil {
				return err
			}
			return c.receipt(r, "log sealed")
		},
	}
}

func unsealVerb() verb {
	return verb{
		name: "unseal", usage: "take the seal away: the log goes on here", flags: mutateFlags(), run: func(c *call) error {
			if err := c.confirm("unseal the log? If it was copied and goes on elsewhere, there would be two."); err != nil {
				return err
			}
			r, err := c.client.Log.Unseal(c.ctx, &controlv1.UnsealRequest{Mutation: c.mutation()})
			if err != nil {
				return err
			}
			return c.receipt(r, "log unsealed")
		},
	}
}
