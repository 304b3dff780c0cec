package compress

import (
	"errors"
	"io"

	"github.com/sluiceapi/sluice"
)

// chunk is how much of a stream is read at once: it bounds what a stream holds in memory, beside the encoder.
const chunk = 32 << 10

// stream makes the work read from a stream. live has everything that was read passed on at once; without it the
// encoder decides, which makes the answer a little smaller.
func (w *work) stream(from sluice.Stream, live bool) {
	if w.in == nil {
		w.in = make([]byte, chunk)
	}
	w.from, w.live = from, live
}

// Read gives compressed bytes. It reads from the stream only when there are none left of what was read before, so a
// slow client slows the backend.
func (w *work) Read(p []byte) (int, error) {
	for w.taken == len(w.out) {
		if w.err != nil {
			return 0, w.err
		}
		w.out, w.taken = w.out[:0], 0
		w.err = w.step()
	}
	n := copy(p, w.out[w.taken:])
	w.taken += n
	return n, nil
}

// step reads a chunk and compresses it. Its error is io.EOF when the compressed stream is whole; after any other the
// stream is left without its end, so that no reader takes it for whole.
func (w *work) step() error {
	n, err := w.from.Read(w.in)
	if n > 0 {
		if _, failed := w.enc.Write(w.in[:n]); failed != nil {
			return failed
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		if failed := w.enc.Close(); failed != nil {
			return failed
		}
		return io.EOF
	case err != nil:
		return err
	case n > 0 && w.live:
		return w.enc.Flush()
	}
	return nil
}

// Close passes on why the reader stopped. The work stays out of its pool until the exchange has ended.
func (w *work) Close(why error) { w.from.Close(why) }

// End puts the work back.
func (w *work) End(*sluice.Exchange, sluice.Outcome) { w.putBack() }

// nothing is a stream without a byte, of a size that is not told: the body of an answer to HEAD.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close(error)              {}
