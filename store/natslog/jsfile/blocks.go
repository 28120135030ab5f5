package jsfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Block is one block file as it is on the disk, or was.
type Block struct {
	Index    uint32 `json:"index"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Unix nanoseconds
}

// Blocks are the block files of one stream: records in the order of their
// sequences.
type Blocks struct {
	Dir string
	// Stream is the name under which the records were given their checksums.
	Stream string
}

// Log returns the block files of a stream in a store's directory.
func Log(storeDir, stream string) Blocks {
	return Blocks{filepath.Join(streamsDir(storeDir), stream, "msgs"), stream}
}

// Path of a block.
func (b Blocks) Path(index uint32) string {
	return filepath.Join(b.Dir, strconv.FormatUint(uint64(index), 10)+".blk")
}

// List returns the blocks in order; none when there is no directory.
func (b Blocks) List() ([]Block, error) {
	entries, err := os.ReadDir(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("jsfile: list blocks: %w", err)
	}
	var out []Block
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".blk")
		if !ok {
			continue
		}
		index, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue // JetStream does not read it either
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // JetStream has removed it since
		}
		if err != nil {
			return nil, fmt.Errorf("jsfile: list blocks: %w", err)
		}
		out = append(out, blockOf(uint32(index), info))
	}
	slices.SortFunc(out, func(x, y Block) int { return int(int64(x.Index) - int64(y.Index)) })
	return out, nil
}

// Stat returns a block as it is now.
func (b Blocks) Stat(index uint32) (Block, error) {
	info, err := os.Stat(b.Path(index))
	if err != nil {
		return Block{}, fmt.Errorf("jsfile: read block: %w", err)
	}
	return blockOf(index, info), nil
}

func blockOf(index uint32, info fs.FileInfo) Block {
	return Block{Index: index, Size: info.Size(), Modified: info.ModTime().UnixNano()}
}

// first reads the sequence of a block's first record, 0 when the file is too
// short for one.
func (b Blocks) first(index uint32) (uint64, error) {
	f, err := os.Open(b.Path(index))
	if err != nil {
		return 0, fmt.Errorf("jsfile: read block: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	var head [recordHead]byte
	if _, err := io.ReadFull(f, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("jsfile: read block: %w", err)
	}
	return binary.LittleEndian.Uint64(head[4:]) &^ (erasedBit | tombstoneBit), nil
}
