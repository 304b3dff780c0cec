package http_test

import (
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/sluicetest"
)

// TestSuite runs the suite of all backends before a service that answers with what it was sent.
func TestSuite(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(nethttp.ErrAbortHandler)
		}
		w.Header()["Date"] = nil
		io.WriteString(w, r.Method+" "+r.RequestURI+" ")
		w.Write(body)
	}))
	t.Cleanup(upstream.Close)
	sluicetest.Backend(t, sluicetest.BackendCase{
		Kind:  http.Kind,
		Where: "http:\n  urls: [\"" + upstream.URL + "\"]",
		Use:   "http:\n  path: /things/{id}",
		Route: "POST /items/{id}",
		Line:  "POST /items/7?a=b", Body: `{"sku": "x"}`, Fields: []string{"content-type: application/json"},
	})
}
