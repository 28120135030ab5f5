package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// closeWithin bounds the end of a listener: calls under way are answered, and
// who reads too slowly for that is cut off.
const closeWithin = 1500 * time.Millisecond

// listen takes the address. It fails before anything is written to the
// directory when another process has it.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// serve answers on the listener until ctx ends. endStreams ends what would not
// end by itself.
func serve(ctx context.Context, srv *http.Server, endStreams func(), l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	endStreams()
	within, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := srv.Shutdown(within)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
