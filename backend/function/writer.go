package function

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluiceapi/sluice"
)

// window is how much a handler may write ahead of the client. What fits into it is sent as one short answer.
const window = 32 << 10

// errGone is what a handler gets that writes to a client that is no longer there.
var errGone = errors.New("the client takes no more of the answer")

// writer is the http.ResponseWriter of a handler and the stream of what it writes.
type writer struct {
	x      *sluice.Exchange
	cancel context.CancelFunc
	header http.Header
	// committed is closed when status and header are final and the answer can be taken.
	committed chan struct{}

	// mu guards what follows; change is told of every change.
	mu     sync.Mutex
	change sync.Cond
	status int
	sent   http.Header
	// declared is the length that the handler told, or -1; written is what it wrote of it.
	declared, written int64
	buffer            []byte
	taken             int
	// streaming is set once the answer is a long one, closed when nobody takes it any more, done when the handler
	// has returned, with err as what went wrong.
	streaming, closed, done bool
	err                     error
}

func newWriter(x *sluice.Exchange, cancel context.CancelFunc) *writer {
	w := &writer{x: x, cancel: cancel, header: http.Header{}, committed: make(chan struct{}), declared: -1}
	w.change.L = &w.mu
	return w
}

// Header is what the handler fills until it writes.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader sets the status. Interim ones (1xx) go out at once.
func (w *writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *writer) writeHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("status %d; want one from 100 to 999", status))
	case w.status != 0:
	case status == http.StatusSwitchingProtocols:
		panic("status 101: a function cannot take over the connection")
	case status < 200:
		w.inform(status)
	default:
		w.status, w.sent = status, w.header.Clone()
		if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
			w.declared = n
		}
	}
}

// inform sends an interim answer. Serve waits meanwhile, so the exchange is the handler's.
func (w *writer) inform(status int) {
	var h sluice.Header
	err := fill(&h, w.header)
	if err == nil {
		err = w.x.Inform(status, &h)
	}
	if err != nil {
		w.closed = true
	}
}

// Write takes content, and waits while the client has too much to read.
func (w *writer) Write(p []byte) (int, error) { return write(w, p) }

// WriteString is Write for a string.
func (w *writer) WriteString(s string) (int, error) { return write(w, s) }

func write[T string | []byte](w *writer, p T) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if w.declared >= 0 && w.written+int64(len(p)) > w.declared {
		return 0, http.ErrContentLength
	}
	total := 0
	for len(p) > 0 {
		if w.closed || w.done {
			return total, errGone
		}
		room := window - len(w.buffer) + w.taken
		if room == 0 {
			w.commit()
			w.change.Wait()
			continue
		}
		n := min(room, len(p))
		w.compact()
		w.buffer = append(w.buffer, p[:n]...)
		p = p[n:]
		total += n
		w.written += int64(n)
		w.change.Broadcast()
	}
	return total, nil
}

// compact makes room for what was taken.
func (w *writer) compact() {
	if w.taken > 0 {
		w.buffer = w.buffer[:copy(w.buffer, w.buffer[w.taken:])]
		w.taken = 0
	}
}

// Flush sends what was written, the header at least.
func (w *writer) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	w.commit()
}

// EnableFullDuplex says that the body may be read while the answer is written: it always may.
func (w *writer) EnableFullDuplex() error { return nil }

// commit makes the answer a long one, if it is not yet.
func (w *writer) commit() {
	if !w.streaming && !w.done {
		w.streaming = true
		close(w.committed)
	}
}

// finish ends the answer when the handler has returned.
func (w *writer) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	aborted := err == errAborted
	if w.status == 0 && (err == nil || aborted) {
		w.writeHeader(http.StatusOK)
	}
	if aborted {
		w.declared = -1
	}
	w.err = err
	if !w.streaming {
		w.streaming = aborted && !w.bodiless() // so that there is something to cut off
		close(w.committed)
	}
	w.done = true
	w.change.Broadcast()
	w.cancel()
}

// answer fills the response once it is committed.
func (w *writer) answer() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streaming {
		w.x.OnEnd(w)
	} else if w.err != nil {
		return w.err
	}
	r := &w.x.Response
	if err := fill(&r.Header, w.sent); err != nil {
		w.stop()
		return err
	}
	r.Status = w.status
	if len(w.buffer) > 0 && !r.Header.Has("Content-Type") && !r.Header.Has("Content-Encoding") {
		r.Header.Set("Content-Type", http.DetectContentType(w.buffer))
	}
	switch {
	case w.streaming:
		r.Body.SetStream(w, w.declared)
		return nil
	case w.declared >= 0 && w.written == 0 && w.x.Request.Method == http.MethodHead:
		r.Header.SetInt("Content-Length", w.declared)
	case !w.whole():
		return w.cut()
	}
	fillTrailer(&r.Trailer, w.sent, w.header)
	r.Body.SetBytes(w.buffer)
	return nil
}

// bodiless tells whether the answer has no content, whatever the handler writes.
func (w *writer) bodiless() bool {
	return w.x.Request.Method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// whole tells whether the handler wrote as much as it told of; the answer to HEAD may be without.
func (w *writer) whole() bool {
	return w.declared < 0 || w.written == w.declared || w.x.Request.Method == http.MethodHead || w.status == http.StatusNotModified
}

func (w *writer) cut() error {
	return fmt.Errorf("the handler wrote %d bytes and told of %d", w.written, w.declared)
}

// Read gives what the handler has written as soon as it is there.
func (w *writer) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.taken == len(w.buffer) {
		if w.done {
			return 0, w.end()
		}
		w.change.Wait()
	}
	n := copy(p, w.buffer[w.taken:])
	w.taken += n
	w.change.Broadcast()
	return n, nil
}

// end is how the stream ends.
func (w *writer) end() error {
	if w.err != nil {
		return w.err
	}
	if !w.whole() {
		return w.cut()
	}
	fillTrailer(&w.x.Response.Trailer, w.sent, w.header)
	return io.EOF
}

// Close has the handler stop.
func (w *writer) Close(error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
}

func (w *writer) stop() {
	w.closed = true
	w.change.Broadcast()
	w.cancel()
}

// End waits until the handler has returned: the request that it reads belongs to somebody else soon. The exchange
// has closed the request's body by now, which ends a read that waits for the client.
func (w *writer) End(*sluice.Exchange, sluice.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	for !w.done {
		w.change.Wait()
	}
}

// fill puts the fields in the order of their names, without those of the connection, which are the server's.
func fill(into *sluice.Header, from http.Header) error {
	for _, name := range names(from) {
		switch {
		case strings.HasPrefix(name, http.TrailerPrefix):
			continue
		case !sluice.ValidFieldName([]byte(name)):
			return fmt.Errorf("the handler set a field of the name %q", name)
		case name != "Trailer" && sluice.CheckFieldName(name) != nil:
			continue
		}
		for _, value := range from[name] {
			if !sluice.ValidFieldValue([]byte(value)) {
				return fmt.Errorf("the handler set %s to %q", name, value)
			}
			into.Add(name, value)
		}
	}
	return nil
}

// fillTrailer puts what the handler set after it had announced it in Trailer, or with http.TrailerPrefix.
func fillTrailer(into *sluice.Header, sent, last http.Header) {
	var trailer http.Header
	for _, list := range sent["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if values := last[name]; len(values) > 0 {
				trailer = put(trailer, name, values)
			}
		}
	}
	for name, values := range last {
		if bare, found := strings.CutPrefix(name, http.TrailerPrefix); found {
			trailer = put(trailer, http.CanonicalHeaderKey(bare), values)
		}
	}
	for _, name := range names(trailer) {
		for _, value := range trailer[name] {
			if sluice.CheckFieldName(name) == nil && sluice.ValidFieldValue([]byte(value)) {
				into.Add(name, value)
			}
		}
	}
}

func put(h http.Header, name string, values []string) http.Header {
	if h == nil {
		h = http.Header{}
	}
	h[name] = values
	return h
}

func names(h http.Header) []string {
	all := make([]string, 0, len(h))
	for name := range h {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
