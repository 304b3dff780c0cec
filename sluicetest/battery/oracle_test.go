package battery

import (
	"slices"
	"strings"
	"testing"
)

// TestNetHTTP holds the oracle to the cases themselves: what net/http is not marked for it reads as they want it.
func TestNetHTTP(t *testing.T) {
	t.Parallel()
	target := &Target{MaxHeader: 8 << 10, MaxBody: 1 << 10}
	for _, c := range target.Cases() {
		if c.Mark != "" || strings.HasPrefix(c.Name, "sizes") {
			continue
		}
		requests, err := NetHTTP([]byte(c.Text + second))
		switch {
		case c.Want.then == kept && slices.Equal(c.Want.status, []int{200}):
			if err != nil || len(requests) != 2 || requests[1].Echo() != secondEcho {
				t.Errorf("%s: %d requests and %v, want two", c.Name, len(requests), err)
			}
			if want := c.Want.echo; want != "" && len(requests) > 0 && requests[0].Echo() != want && !strings.HasPrefix(c.Name, "absolute-form") && !strings.Contains(c.Text, "%") {
				t.Errorf("%s: read as %q, want %q", c.Name, requests[0].Echo(), want)
			}
		case c.Want.then == closed && !slices.Contains(c.Want.status, 200):
			if err == nil || len(requests) != 0 {
				t.Errorf("%s: %d requests and %v, want a refusal", c.Name, len(requests), err)
			}
		case c.Want.then == ended:
			if requests, _ := NetHTTP([]byte(c.Text)); len(requests) > 0 {
				t.Errorf("%s: %d requests, want none", c.Name, len(requests))
			}
		}
	}
}
