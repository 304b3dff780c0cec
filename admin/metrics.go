package admin

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"github.com/sluiceapi/sluice"
)

func (a *admin) serveMetrics(x *sluice.Exchange) error {
	form := a.Metrics.ContentType(string(x.Request.Header.Value("Accept")))
	h := &x.Response.Header
	h.Set("Content-Type", form)
	h.Set("Vary", "Accept, Accept-Encoding")

	body := bytes.NewBuffer(x.Response.Body.Buffer())
	if !takesGzip(string(x.Request.Header.Value("Accept-Encoding"))) {
		a.expose(body, form)
	} else {
		h.Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(body)
		a.expose(zip, form)
		zip.Close() // writes to memory, which does not fail
	}
	x.Response.Body.SetBuffer(body.Bytes())
	return nil
}

// expose writes what can be collected: one bad series must not hide the others.
func (a *admin) expose(w io.Writer, form string) {
	if err := a.Metrics.Expose(w, form); err != nil {
		a.Log.Error("collecting metrics", "error", err)
	}
}

// takesGzip reads an Accept-Encoding field (RFC 9110, section 12.5.3).
func takesGzip(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			weight = strings.ReplaceAll(strings.ToLower(weight), " ", "")
			return weight == "" || strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != ""
		}
	}
	return false
}
