package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sluiceapi/sluice"
)

// fail makes the answer to err in the place of whatever response was made so far: a problem (RFC 9457), or what the
// handler makes of it.
//
// Header fields that policies have set stay, because a client needs them on errors too: CORS, rate limits, security
// headers, request ids, Vary. Those that describe the content that will not be sent, or tell what became of it, go:
// Content-Type and its kin, validators, caching, ranges, Location, Trailer (see describesContent).
func (s *core) fail(x *sluice.Exchange, e *sluice.Error) {
	r := &x.Response
	r.Body.Close(e)
	r.Header.DelFunc(describesContent)
	r.Trailer.Reset()
	r.Status, r.Upgrade, r.Leave = e.Code.Status(), nil, nil
	for _, f := range e.Header {
		r.Header.AddBytes(f.Name, f.Value)
	}
	if e.RetryAfter > 0 {
		r.Header.SetInt("Retry-After", int64((e.RetryAfter+time.Second-1)/time.Second))
	}
	if h, ok := s.handler.(Renderer); ok && h.Render(x, e) {
		return
	}
	r.Header.Add("Content-Type", "application/problem+json")
	r.Body.SetBuffer(e.AppendProblem(r.Body.Buffer(), x.RequestID()))
}

func describesContent(f sluice.Field) bool {
	for _, name := range [...]string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Language",
		"Content-Location", "Content-Range", "Content-Disposition", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest",
		"ETag", "Last-Modified", "Cache-Control", "Expires", "Age", "Accept-Ranges", "Location", "Trailer"} {
		if sluice.SameToken(f.Name, name) {
			return true
		}
	}
	return false
}

// errorOf is sluice.ErrorOf for a client that may still be there: a context that was cancelled for another reason than
// its leaving is the server's failure.
func (c *call) errorOf(err error) *sluice.Error {
	e := sluice.ErrorOf(err)
	if e.Code == sluice.ClientLeft && !c.link.left() {
		return &sluice.Error{Code: sluice.Internal, Err: err}
	}
	return e
}

// logInternal logs an error that a client learns nothing of.
func (s *core) logInternal(x *sluice.Exchange, err error) {
	attrs := []slog.Attr{slog.String("request_id", string(x.RequestID())), slog.String("method", x.Request.Method),
		slog.String("path", string(x.Request.Path)), slog.Any("error", err)}
	if x.Endpoint != nil {
		attrs = append(attrs, slog.String("endpoint", x.Endpoint.Name))
	}
	if p, ok := errors.AsType[*panicked](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	s.log.LogAttrs(context.Background(), slog.LevelError, "internal error", attrs...)
}
