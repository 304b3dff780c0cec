package input

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/sluiceapi/sluice"
)

// body checks the body of a request.
type body struct {
	// schema is nil when any JSON fits.
	schema *schema
	max    int64
	scans  sync.Pool
}

// check reads the body into memory and says what of it does not fit. An error is one that is not the content's.
func (b *body) check(x *sluice.Exchange) ([]sluice.InputError, error) {
	h := &x.Request.Header
	if x.Request.Body.Stream != nil {
		defer x.Waited()
	}
	raw, err := x.Request.Body.Load(b.max)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 && !h.Has("Content-Type") {
		return fault("missing; want JSON"), nil
	}
	if err := checkMediaType(h); err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return fault("empty; want JSON"), nil
	}
	if at, what := b.scan(raw); what != "" {
		return fault("not JSON at byte " + strconv.Itoa(at+1) + ": " + what), nil
	}
	if b.schema == nil {
		return nil, nil
	}
	return b.schema.check(raw), nil
}

func fault(message string) []sluice.InputError {
	return []sluice.InputError{{Name: "body", Message: message}}
}

func (b *body) scan(raw []byte) (at int, fault string) {
	s, reused := b.scans.Get().(*scan)
	if !reused {
		s = &scan{}
	}
	at, fault = s.check(raw)
	b.scans.Put(s)
	return at, fault
}

var (
	errMediaType = &sluice.Error{Code: sluice.UnsupportedMediaType, Message: "want a body of type application/json"}
	errEncoding  = &sluice.Error{Code: sluice.UnsupportedMediaType, Message: "want a body without a content encoding"}
)

// checkMediaType takes application/json and whatever else is JSON by its suffix (RFC 6839, section 3.1), as it is.
func checkMediaType(h *sluice.Header) error {
	if h.Count("Content-Type") != 1 || !isJSON(h.Value("Content-Type")) {
		return errMediaType
	}
	if encoding := h.Value("Content-Encoding"); len(encoding) > 0 && !strings.EqualFold(string(encoding), "identity") {
		return errEncoding
	}
	return nil
}

func isJSON(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte{';'})
	media = bytes.TrimRight(media, " \t")
	if bytes.EqualFold(media, []byte("application/json")) {
		return true
	}
	const suffix = "+json"
	slash := bytes.IndexByte(media, '/')
	return slash > 0 && len(media) > slash+1+len(suffix) && bytes.EqualFold(media[len(media)-len(suffix):], []byte(suffix))
}
