package server

import "time"

// What callers can drive, and how far.
const (
	// MaxBody bounds a request message or body.
	MaxBody = 4 << 20
	// DefaultPage and MaxPage bound the rows of a page.
	DefaultPage = 100
	MaxPage     = 1000
	// MaxBatch bounds the reads or commands of one batch.
	MaxBatch = 1000
	// MaxDiff bounds the rows of a diff.
	MaxDiff = 10_000
	// MaxSorted bounds the rows that are put in another order than their key's.
	MaxSorted = 100_000

	// MaxWatchers bounds the streams of a server.
	MaxWatchers = 5000
	// MaxInFlight bounds the commands of one stream that are not yet answered.
	MaxInFlight = 4096
	// MaxSimulated bounds the nodes of a simulation.
	MaxSimulated = 10_000

	// MaxReason and MaxReference bound the texts of a mutation, in bytes.
	MaxReason    = 1024
	MaxReference = 256
	// MaxFilter bounds the text of a filter, in bytes.
	MaxFilter = 512
	// MaxFilters bounds the values of one filter.
	MaxFilters = 64

	// DefaultWait is how long a read waits for its position when its caller
	// names no deadline, MaxWait the longest when it does.
	DefaultWait = 5 * time.Second
	MaxWait     = 30 * time.Second
	// CommandWait bounds a command whose caller names no deadline.
	CommandWait = 30 * time.Second
	// ShowWait bounds how long the answer to a single command waits for this
	// server's reads to show it.
	ShowWait = 250 * time.Millisecond
	// RetryAfter is the hint that goes with every refusal for lack of room.
	RetryAfter = time.Second
	// LeaderRetry is the hint while there is no leader, or one was lost in the
	// middle of a command: the next one leads within a second, and each attempt
	// waits for it for a while by itself.
	LeaderRetry = 50 * time.Millisecond

	// KeepAlive is the time after which a silent SSE stream gets a comment line;
	// PROTOCOL promises 15 s.
	KeepAlive = 8 * time.Second
	// WriteWait is how long one write to the slow reader of a stream may take.
	WriteWait = 30 * time.Second
)
