package http

import (
	"context"
	"fmt"
	"io"

	"github.com/sluiceapi/sluice/h1"
)

// check finds out whether the host is well: on a connection of its own, which does not count as one of the pool's.
func (l *link) check(ctx context.Context, path string) error {
	raw, stream, err := l.handshake(ctx, l.tls.Load())
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer raw.Close()
	if path == "" {
		return nil
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if err := ask(stream, "GET "+path+" HTTP/1.1\r\nHost: "+l.authority+"\r\nUser-Agent: sluice-health\r\nConnection: close\r\n\r\n"); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no answer in time: %w", ctx.Err())
		}
		return err
	}
	return nil
}

// ask sends a request and reads heads until the final one, which must be a success.
func ask(stream io.ReadWriter, request string) error {
	if _, err := io.WriteString(stream, request); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	var b h1.Buffer
	var h h1.Response
	for interim, from := 0, 0; interim <= maxInterim; {
		end, next, err := h1.End(b.Bytes(), from)
		if err != nil {
			return err
		}
		if from = next; end == 0 {
			space := b.Space(maxHead)
			if len(space) == 0 {
				return errHeadTooLarge
			}
			n, err := stream.Read(space)
			if b.Filled(n); n == 0 && err != nil {
				return fmt.Errorf("reading the answer: %w", notEOF(err))
			}
			continue
		}
		if err := h.Parse(b.Hold(end)); err != nil {
			return err
		}
		if h.Status >= 200 {
			break
		}
		b.Release()
		interim, from = interim+1, 0
	}
	if h.Status < 200 || h.Status > 299 {
		return fmt.Errorf("status %d", h.Status)
	}
	return nil
}

// notEOF makes an end that comes too early an error.
func notEOF(err error) error {
	if err == io.EOF {
		return h1.ErrCut
	}
	return err
}
