package cli

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/client"
)

// Exit codes; they are an interface.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitNotAllowed  = 5
	exitConflict    = 6
	exitUnavailable = 7
	exitDifference  = 8
	// exitPipe is what a shell shows of a program that wrote to a closed pipe.
	exitPipe = 141
)

// usageError is a command line that cannot be run as it is.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// unavailableError is what did not come in time.
type unavailableError struct{ message string }

func (e *unavailableError) Error() string { return e.message }

func late(format string, args ...any) error {
	return &unavailableError{message: fmt.Sprintf(format, args...)}
}

// errDifference ends a verb that found a difference and has said which.
var errDifference = errors.New("difference found")

// errDeclined ends a verb that was answered no.
var errDeclined = errors.New("nothing was done")

// errReaderGone ends a verb whose output nobody reads any more.
var errReaderGone = errors.New("nobody reads the output any more")

// ExitCode returns the exit code that an error stands for.
func ExitCode(err error) int {
	var wrong *usageError
	var e *client.Error
	var tooLate *unavailableError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &tooLate):
		return exitUnavailable
	case errors.Is(err, errDifference):
		return exitDifference
	case errors.Is(err, errReaderGone):
		return exitPipe
	case errors.As(err, &e):
		return exitOf(e)
	case errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	}
	return exitFailed
}

func exitOf(e *client.Error) int {
	switch e.Code {
	case connect.CodeInvalidArgument:
		return exitUsage
	case connect.CodeNotFound:
		return exitNotFound
	case connect.CodeFailedPrecondition, connect.CodeAlreadyExists:
		return exitRefused
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return exitNotAllowed
	case connect.CodeAborted:
		return exitConflict
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted:
		return exitUnavailable
	}
	return exitFailed
}
