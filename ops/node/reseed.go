package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// A server whose copy of the log cannot be trusted any more gets a new one by
// `serve --reseed ID`, where ID is the id of the directory that is given up. What
// the directory holds is put aside, not removed; it gets a new identity, and the
// server asks the others for the place of its former self, which they give only
// when all of them have all that is stored. The id makes it happen once: a flag
// that is left behind names a directory that is not there any more.

// replaceKind is the kind of request by which a server asks for its former place.
const replaceKind = "replace"

// reseedWithin bounds one attempt to be given the place, giveWithin what the other
// server takes for it, so that its answer is heard; reseedEvery is the pause between
// two.
const (
	reseedWithin = 20 * time.Second
	giveWithin   = 15 * time.Second
	reseedEvery  = time.Second
)

// ErrOtherDirectory: the directory that is to be given up is not here.
var ErrOtherDirectory = errors.New("the directory has another id")

// ErrGivenUp: a reseed of the directory did not come to its end. What it held may be
// aside, and a server that went on without it under its former name could be counted
// for messages that it does not have.
var ErrGivenUp = errors.New("the directory is being given up")

// givenUpDir is where what the directory holds is put when it is given up.
func (d *directory) givenUpDir() string { return filepath.Join(d.path, "given-up-"+d.ID) }

// checkKept refuses a directory whose reseed was cut off.
func (d *directory) checkKept() error {
	begun, err := exists(d.givenUpDir())
	if err == nil && begun {
		err = fmt.Errorf("%w: %s has begun to be put into %s (allowed: --reseed %s again, which does the rest)",
			ErrGivenUp, d.path, d.givenUpDir(), d.ID)
	}
	return err
}

// reseed puts aside what the directory holds, if its id is the one that is to be
// given up, and gives it a new identity that remembers which it replaces.
func (d *directory) reseed(id string) error {
	switch {
	case d.ID == id:
	case d.Replaces == id:
		return nil // done by a start before this one
	default:
		return fmt.Errorf("%w: %s is %s (allowed for --reseed: that id, to give the directory up)", ErrOtherDirectory, d.path, d.ID)
	}
	aside := d.givenUpDir()
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	// The identity goes last: until then the next start does the rest.
	for _, dir := range []string{d.logDir(), d.rowsDir(), d.snapshotDir()} {
		err := os.Rename(dir, filepath.Join(aside, filepath.Base(dir)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("data directory: put aside: %w", err)
		}
	}
	if err := syncPath(d.path); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return d.makeReplacing(filepath.Join(d.path, identityName), d.Name, d.Cluster, id)
}

// askReplace asks the others for the place of this server's former directory,
// until one has given it.
func (s *server) askReplace(ctx context.Context, link *natslog.Link, others []string) {
	for _, other := range others {
		ask, cancel := context.WithTimeout(ctx, reseedWithin)
		answer, err := link.Ask(ask, other, replaceKind, []byte(s.cfg.Name))
		cancel()
		switch {
		case err != nil:
			s.log.Debug("the place of this server's former directory was not asked for", "of", other, "error", err)
		case len(answer) == 0:
			return
		default:
			s.log.Warn("the place of this server's former directory is not given yet", "by", other, "because", string(answer))
		}
	}
	pause(ctx, reseedEvery)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// giveReplace gives a server the place of its former directory, and tells the log.
// The answer is empty, or says why not.
func (s *server) giveReplace(ctx context.Context, request []byte) []byte {
	name := string(request)
	ctx, cancel := context.WithTimeout(ctx, giveWithin)
	defer cancel()
	err := commands.CheckName("server", name)
	if err == nil {
		_, err = s.store.Replace(ctx, name, false)
	}
	if err == nil {
		_, err = s.forward.Submit(ctx, commands.Request{
			Actor: serverActor(name), Reason: "its directory was given up", Command: control.ReplaceReplica{Server: name},
		})
	}
	if err != nil {
		return []byte(err.Error())
	}
	return nil
}
