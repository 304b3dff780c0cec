package http

import (
	"context"
	"fmt"
	"io"
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
	var h head
	in, end, from := make([]byte, maxHead), 0, 0
	for interim := 0; interim <= maxInterim; {
		length, next, err := headEnd(in[:end], from)
		if err != nil {
			return err
		}
		if from = next; length == 0 {
			if end == len(in) {
				return errHeadTooLarge
			}
			n, err := stream.Read(in[end:])
			if end += n; n == 0 && err != nil {
				return fmt.Errorf("reading the answer: %w", notEOF(err))
			}
			continue
		}
		if err := h.parse(in[:length]); err != nil {
			return err
		}
		if h.status >= 200 {
			break
		}
		end, from = copy(in, in[length:end]), 0
		interim++
	}
	if h.status < 200 || h.status > 299 {
		return fmt.Errorf("status %d", h.status)
	}
	return nil
}
