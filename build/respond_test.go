package build

import (
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// What the backend says of its content does not hold for what replaces it.
func TestRespondReplacesContent(t *testing.T) {
	t.Parallel()
	var json sluice.JSONTemplate
	if err := json.UnmarshalJSON([]byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status, want int
		body         string
	}{{200, 200, `{"a":1}`}, {206, 200, `{"a":1}`}, {304, 304, ""}, {101, 101, ""}, {404, 404, "of the backend"}} {
		h := &respond{leave: 400, with: &config.Respond{JSON: json}, next: sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Status = c.status
			x.Response.Header.Add("Content-Encoding", "gzip")
			x.Response.Header.Add("ETag", `"of another"`)
			x.Response.Header.Add("X-Other", "stays")
			if c.status == 200 || c.status == 206 || c.status == 404 {
				x.Response.Body.SetBytes([]byte("of the backend"))
			}
			return nil
		})}
		x, err := do(h, "GET", "https")
		if err != nil || x.Response.Status != c.want || string(x.Response.Body.Bytes) != c.body {
			t.Errorf("%d: %v, status %d, body %q; want %d and %q", c.status, err, x.Response.Status, x.Response.Body.Bytes, c.want, c.body)
		}
		if replaced := c.body == `{"a":1}`; x.Response.Header.Has("Content-Encoding") == replaced || x.Response.Header.Has("ETag") == replaced || !x.Response.Header.Has("X-Other") {
			t.Errorf("%d: fields %q", c.status, x.Response.Header.Fields())
		}
	}
}

// An answer without content cannot become one with.
func TestRespondKeepsNotModified(t *testing.T) {
	t.Parallel()
	h := &respond{leave: 400, with: &config.Respond{Status: 201}, next: sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Status = 304
		return nil
	})}
	if x, err := do(h, "GET", "https"); err != nil || x.Response.Status != 304 {
		t.Errorf("%v, status %d, want 304", err, x.Response.Status)
	}
}
