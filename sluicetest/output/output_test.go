package output_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/output"
)

// What many write at once is all there, line by line, and who waits for it is told.
func TestText(t *testing.T) {
	t.Parallel()
	const writers, lines = 8, 100
	var text output.Text
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range lines {
				fmt.Fprintf(&text, "line %d of %d\n", i, w)
			}
		})
	}
	text.Await(t, fmt.Sprintf("line %d of ", lines-1), writers)
	all.Wait()
	text.Await(t, "line ", writers*lines) // there already
	for line := range strings.Lines(text.String()) {
		var i, w int
		if n, err := fmt.Sscanf(line, "line %d of %d\n", &i, &w); n != 2 {
			t.Errorf("%q: %v", line, err)
		}
	}
}
