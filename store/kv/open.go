package kv

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleFormat is pinned, so that a new Pebble release does not ratchet
// directories behind our back.
const pebbleFormat = pebble.FormatTableFormatV6

// Open opens or creates the directory on the operating system's file system.
// The DB is non-nil if and only if the error is nil. A *FormatError means that
// another format wrote the directory; ErrCorrupt that it is damaged.
func Open(dir string, cfg Config) (*DB, error) {
	return OpenFS(vfs.Default, dir, cfg)
}

// OpenFS is Open on a file system of the caller's, for tests in memory and with
// crashes.
func OpenFS(filesystem vfs.FS, dir string, cfg Config) (_ *DB, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := filesystem.MkdirAll(dir, 0o750); err != nil {
		return nil, opError("create "+dir, err)
	}
	if err := checkFormat(filesystem, dir); err != nil {
		return nil, err
	}
	defer recoverFatal("open "+dir, &err)
	opts := options(filesystem, cfg)
	opts.EnsureDefaults()
	pdb, err := pebble.Open(dir, opts)
	if err != nil {
		return nil, opError("open "+dir, err)
	}
	// Only now: the folder is locked.
	in, err := newIngester(filesystem, dir, opts)
	if err != nil {
		return nil, errors.Join(err, pdb.Close())
	}
	return newDB(pdb, in, cfg), nil
}

func options(filesystem vfs.FS, cfg Config) *pebble.Options {
	log := cfg.logger()
	comparer := newComparer()
	opts := &pebble.Options{
		FS:                          filesystem,
		Comparer:                    comparer,
		FormatMajorVersion:          pebbleFormat,
		CacheSize:                   cfg.BlockCache,
		MemTableSize:                uint64(cfg.MemTable),
		MemTableStopWritesThreshold: cfg.MemTables,
		L0CompactionThreshold:       4,
		LBaseMaxBytes:               512 << 20,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		MaxOpenFiles:                500,
		BlockPropertyCollectors:     []func() pebble.BlockPropertyCollector{newPositionCollector},
		Logger:                      pebbleLog{log},
		EventListener:               newListener(log),
	}
	opts.Experimental.SpanPolicyFunc = versionsInPlace(comparer)
	return opts
}

// versionsInPlace keeps the values of old versions beside their keys. Pebble
// would move all but the newest version of a row to value blocks, to speed up
// reads of the newest; but those are served by the current space here, and every
// as-of read would pay for a second block.
func versionsInPlace(comparer *pebble.Comparer) pebble.SpanPolicyFunc {
	span := pebble.KeyRange{
		Start: []byte{byte(spaceVersion), sentinel},
		End:   []byte{byte(spaceVersion) + 1, sentinel},
	}
	return pebble.MakeStaticSpanPolicyFunc(comparer.Compare, span, pebble.SpanPolicy{
		DisableValueSeparationBySuffix: true,
		ValueStoragePolicy:             pebble.ValueStorageLowReadLatency,
	})
}

// recoverFatal turns the panic of pebbleLog.Fatalf on the caller's goroutine
// into an error. Any other panic goes on.
func recoverFatal(op string, err *error) {
	switch r := recover().(type) {
	case nil:
	case fatal:
		*err = fmt.Errorf("kv: %s: %w: %w", op, ErrFailed, r)
	default:
		panic(r)
	}
}
