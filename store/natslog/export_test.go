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
