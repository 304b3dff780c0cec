package cache

import (
	"bytes"
	"io"

	"github.com/sluiceapi/sluice"
)

// tee keeps a copy of a stream while it passes. What is longer than may be kept, or does not come to its end, is not
// kept.
type tee struct {
	fill *fill
	x    *sluice.Exchange
	from sluice.Stream
	size int64
	copy []byte
	over bool // the copy was kept or given up
}

// Read passes on what the backend sends.
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	if t.over {
		return n, err
	}
	switch {
	case len(t.copy)+n > int(t.fill.c.config.MaxBody):
		t.giveUp()
		t.fill.drop(true)
	case err == io.EOF:
		t.copy = append(t.copy, p[:n]...)
		t.end()
	case err != nil:
		t.giveUp()
		t.fill.flight.fail(err)
		t.fill.lease.release()
	default:
		t.copy = append(t.copy, p[:n]...)
	}
	return n, err
}

// end keeps the copy, now that it is whole.
func (t *tee) end() {
	t.over = true
	if t.x.Response.Trailer.Len() > 0 || t.size >= 0 && t.size != int64(len(t.copy)) {
		t.giveUp()
		t.fill.drop(true)
		return
	}
	if cap(t.copy)-len(t.copy) > len(t.copy)/4 {
		t.copy = bytes.Clone(t.copy)
	}
	t.fill.entry.fill(t.copy, t.x.Seen.Reads())
	t.fill.keep(t.x)
}

func (t *tee) giveUp() { t.over, t.copy = true, nil }

// Close passes on why the reader stopped.
func (t *tee) Close(why error) { t.from.Close(why) }

// End has somebody else try where the client has left before the end.
func (t *tee) End(*sluice.Exchange, sluice.Outcome) {
	if t.over {
		return
	}
	t.giveUp()
	t.fill.flight.settle(again, nil, nil)
	t.fill.lease.release()
}
