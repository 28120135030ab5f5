package natslog

import "github.com/omnirelay/omnirelay/store"

// WalkFiles calls fn with every message in the files of a stopped store.
func WalkFiles(dir, stream string, fn func(store.Message) error) error {
	files := newBlockFiles(dir, stream)
	blocks, err := files.list()
	if err != nil {
		return err
	}
	w := &walker{files: files, next: 1, each: func(r record) error {
		return fn(store.Message{Sequence: r.sequence, Data: r.payload})
	}}
	return w.walkAll(blocks)
}

// StopServer stops the embedded server of a store that goes on, StartServer starts
// it again.
func (s *Store) StopServer() { s.server.stop() }

// StartServer is the other half of StopServer.
func (s *Store) StartServer() error { return s.server.start() }
