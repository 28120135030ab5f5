package natslog

import (
	"errors"

	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// Close ends every Follow with store.ErrClosed, makes the anchor durable, stops
// the server and leaves the mark of a clean stop. It returns when all goroutines
// of the store have ended. Calls after the first return what that returned.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.begin()
		s.closeErr = s.release()
	})
	return s.closeErr
}

// begin tells all that waits that the store is closing.
func (s *Store) begin() {
	close(s.closing)
	s.endLife()
}

// release undoes as much of Open as was done, in the opposite order.
func (s *Store) release() error {
	if !s.closed() {
		s.begin() // Open failed
	}
	if s.conn != nil {
		s.conn.Close() // ends the requests of the loops as well
	}
	s.loops.Wait()
	s.link.close()
	var errs []error
	if s.server != nil {
		s.server.Stop()
	}
	if s.anchor != nil {
		errs = append(errs, s.anchor.close())
	}
	if s.refused != nil { // all of Open was done: the files are ours to vouch for
		errs = append(errs, s.markStop())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// markStop notes the files as they are now that nobody writes them.
func (s *Store) markStop() error {
	blocks, err := s.files.List()
	if err != nil {
		return err
	}
	mark := jsfile.Stop{Stream: s.cfg.logStream(), Last: s.tail.last(), Blocks: blocks}
	if s.cfg.clustered() {
		mark.Last = 0 // the log's last message, which this replica may not have yet
	}
	return writeStopMark(s.cfg.Dir, mark)
}

// Restart stops the embedded server and starts it again under the living
// connection, which is what a test needs to see that everything survives it.
func (s *Store) Restart() error {
	s.server.Stop()
	return s.server.Start()
}
