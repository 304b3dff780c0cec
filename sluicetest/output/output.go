// Package output keeps what a program under test writes, for the test to read meanwhile.
package output

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long Await waits: long, as a busy machine may be slow.
const patience = 20 * time.Second

// Text is a log, or what a command prints. It is written and read by any number of goroutines at once. The zero Text is
// empty, and ready; it must not be copied.
type Text struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed by the next write; nil while nobody waits for one
}

// Write adds to the text, and never fails.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
	return t.text.Write(p)
}

// String is all that has been written.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// Await waits until part has been written n times, and ends the test if that does not come. It must be called from the
// test's own goroutine.
func (t *Text) Await(tb testing.TB, part string, n int) {
	tb.Helper()
	late := time.After(patience)
	for {
		more, text := t.wait()
		if strings.Count(text, part) >= n {
			return
		}
		select {
		case <-more:
		case <-late:
			tb.Fatalf("%q did not come %d times:\n%s", part, n, text)
		}
	}
}

// wait returns what has been written, and what is closed when more is.
func (t *Text) wait() (more <-chan struct{}, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more == nil {
		t.more = make(chan struct{})
	}
	return t.more, t.text.String()
}
