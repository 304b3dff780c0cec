package ratelimit_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// A burst is what nginx calls one with nodelay: the same volley, and the same number let through.
func TestBurstIsThatOfNginx(t *testing.T) {
	t.Parallel()
	bursts := []int{0, 1, 5, 20}
	text := "limit_req_status 429;\n"
	locations := ""
	for _, burst := range bursts {
		text += fmt.Sprintf("limit_req_zone $binary_remote_addr zone=z%d:1m rate=2r/m;\n", burst)
		with := fmt.Sprintf("burst=%d nodelay", burst)
		if burst == 0 {
			with = "nodelay"
		}
		locations += fmt.Sprintf("location = /%d { limit_req zone=z%d %s; try_files /none @ok; }\n", burst, burst, with)
	}
	n := servers.StartNginx(t, text+"server { listen {address}; "+locations+" location @ok { return 200 ok; } }")
	for _, burst := range bursts {
		const volley = 30
		theirs := 0
		for range volley {
			answer, err := http.Get(fmt.Sprintf("%s/%d", n.URL(), burst))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			switch answer.StatusCode {
			case 200:
				theirs++
			case 429:
			default:
				t.Fatalf("nginx answers with status %d", answer.StatusCode)
			}
		}
		h := node(t, fmt.Sprintf("rate_limit: {rate: 2/m, burst: %d}", burst))
		ours := through(t, h, volley, func() *sluice.Exchange { return from(t, "GET /a", "192.0.2.1") })
		if ours != theirs || ours != burst+1 {
			t.Errorf("burst %d: %d of %d are let through, and by nginx %d", burst, ours, volley, theirs)
		}
	}
}
