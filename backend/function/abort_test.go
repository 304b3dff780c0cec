package function_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/sluiceapi/sluice"
)

// A handler that aborts has its answer cut off, whether the first byte was out or not, and nobody calls it a failure
// of the node.
func TestHandlerAborts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h            http.HandlerFunc
		status       int
		method, body string
	}{
		"at once":                {func(http.ResponseWriter, *http.Request) {}, 200, "GET", ""},
		"after a write":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); io.WriteString(w, "a") }, 201, "GET", "a"},
		"before what it told of": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5") }, 200, "GET", ""},
		"after a flush":          {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a"); w.(http.Flusher).Flush() }, 200, "GET", "a"},
		"no content":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 502, "GET", ""},
		"HEAD":                   {func(http.ResponseWriter, *http.Request) {}, 502, "HEAD", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := request(c.method+" /h", "")
			err := serve(t, func(w http.ResponseWriter, r *http.Request) { c.h(w, r); panic(http.ErrAbortHandler) }, x)
			if err != nil {
				if got := sluice.ErrorOf(err).Code.Status(); got != c.status {
					t.Errorf("%v, want %d", err, c.status)
				}
				x.End(sluice.Outcome{Err: err})
				return
			}
			body := &x.Response.Body
			if x.Response.Status != c.status || body.Stream == nil || body.Size >= 0 {
				t.Fatalf("%d with %d bytes, want %d and a stream without a length", x.Response.Status, body.Len(), c.status)
			}
			got, err := io.ReadAll(body.Stream)
			if string(got) != c.body || err == nil || sluice.ErrorOf(err).Code == sluice.Internal {
				t.Errorf("read %q and %v, want %q and an error that is not internal", got, err, c.body)
			}
			x.End(sluice.Outcome{Err: err})
		})
	}
}
