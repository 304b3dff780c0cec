package grpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/upstream"
)

// call is one call of the service. It belongs to the exchange's goroutine.
type call struct {
	*backend
	x      *sluice.Exchange
	path   string // with its slash
	start  time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc // ends a call that has no time of its own
	late   context.CancelFunc      // ends one that has
	span   sluice.Span
	quiet  *silence              // of a stream; nil without
	up     *upload               // what the client sends in its time; nil where it was all there
	stop   func() bool           // ends the watch over ctx; nil where nobody watches
	host   *upstream.Host[*link] // the one picked; nil when there is none
	via    *transport            // what it was sent over, or was to be; nil before
	answer *http.Response        // nil before there is one
	heard  bool                  // the host was told what became of the call
	over   bool
}

// begin begins a call; whole is the time that it has, zero for as long as the exchange.
func (b *backend) begin(x *sluice.Exchange, path string, whole time.Duration) *call {
	c := &call{backend: b, x: x, path: path, start: b.now()}
	if whole > 0 {
		c.ctx, c.late = context.WithTimeout(x.Context(), whole)
	} else {
		c.ctx, c.cancel = context.WithCancelCause(x.Context())
	}
	c.span = x.Child(path[1:])
	return c
}

// content is what a call sends: a body that is read once, or bytes that can be sent again.
type content struct {
	stream func() io.ReadCloser // for each host that is asked; nil where all is in bytes
	bytes  []byte
}

// send sends the call to a host that takes it, and waits for the answer's header.
func (c *call) send(header http.Header, body content) error {
	if until, bounded := c.ctx.Deadline(); bounded {
		header["Grpc-Timeout"] = []string{string(rpc.AppendTimeout(nil, time.Until(until)))}
	}
	header["Te"] = []string{"trailers"}
	if header["User-Agent"] == nil {
		header["User-Agent"] = []string{"sluice"}
	}
	c.x.Tried.Begin()
	var err error
	for {
		if c.host = c.hosts.Pick(c.x, c.start); c.host == nil {
			return c.unreached(err)
		}
		r := c.request(header, body)
		c.via = c.host.Link.begin()
		if c.answer, err = c.via.RoundTrip(r); err == nil {
			return nil
		}
		if _, unreached := errors.AsType[*dialError](err); !unreached || c.ctx.Err() != nil {
			return c.fault(err)
		}
		now := c.now()
		c.host.Heard(now, upstream.Unreached)
		c.host.Link.tell(now, err)
		c.letGo()
	}
}

func (c *call) request(header http.Header, body content) *http.Request {
	r := &http.Request{Method: "POST", URL: &url.URL{Scheme: c.scheme(), Host: c.host.Link.authority, Path: c.path}, Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Host: c.host.Link.authority}
	if body.stream != nil {
		r.Body, r.ContentLength = body.stream(), -1
	} else {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body.bytes)), nil }
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body.bytes)), int64(len(body.bytes))
	}
	return r.WithContext(c.ctx)
}

// unreached is the error where no host took a connection; err is that of the last one.
func (c *call) unreached(err error) error {
	if t, is := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || is && t.Timeout() {
		return sluice.Errorf(sluice.GatewayTimeout, err, "the backend took no connection in time")
	}
	return sluice.Errorf(sluice.BadGateway, err, "the backend takes no connection")
}

// about is how much earlier than here a deadline may pass elsewhere.
const about = 10 * time.Millisecond

// fault makes of what went wrong what the client may know, and tells the host of what speaks against it.
func (c *call) fault(err error) error {
	if c.up != nil {
		if why := c.up.why(); why != nil {
			if err = why; !errors.Is(why, context.DeadlineExceeded) && c.ctx.Err() == nil {
				e := sluice.ErrorOf(why)
				if e.Code == sluice.Internal {
					e = &sluice.Error{Code: sluice.ClientLeft, Err: why}
				}
				return e
			}
		}
	}
	if e, told := errors.AsType[*sluice.Error](err); told {
		return e
	}
	left := c.ctx.Err()
	if until, bounded := c.ctx.Deadline(); left == nil && (errors.Is(err, context.DeadlineExceeded) || bounded && time.Until(until) < about) {
		left = context.DeadlineExceeded // whoever looks at the same deadline may see it first, the service too
	}
	if left != nil {
		if context.Cause(c.ctx) == errSilent {
			return sluice.Errorf(sluice.GatewayTimeout, errSilent, "nothing came or went for %s", c.where.Timeouts.Stream)
		}
		if !errors.Is(left, context.DeadlineExceeded) {
			return &sluice.Error{Code: sluice.ClientLeft, Err: err}
		}
		if c.quiet == nil || c.answer == nil {
			c.failed(err) // a stream goes on until its time is over
		}
		return sluice.Errorf(sluice.GatewayTimeout, err, "the answer was not there in time")
	}
	c.failed(err)
	return sluice.Errorf(sluice.BadGateway, err, "the backend gave no usable answer")
}

// failed tells the host that the call failed by it.
func (c *call) failed(err error) {
	if c.host == nil || c.heard {
		return
	}
	now := c.now()
	c.heard = true
	c.host.Heard(now, upstream.Failed)
	c.host.Link.tell(now, err)
}

// answered tells the host that it gave an answer with that status.
func (c *call) answered(s rpc.Status) {
	if c.host == nil || c.heard {
		return
	}
	if unavailable(s) {
		c.failed(errUnavailable)
		return
	}
	c.heard = true
	c.host.Heard(c.now(), upstream.Answered)
}

// unlike tells the host that it gave an answer that is none of gRPC, with a status of HTTP other than 200.
func (c *call) unlike(status int) {
	if status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout {
		c.failed(fmt.Errorf("it answered with HTTP status %d", status))
		return
	}
	c.heard = true
	c.host.Heard(c.now(), upstream.Answered)
}

var (
	errUnavailable = errors.New("it answered with UNAVAILABLE")
	errNoStatus    = errors.New("an answer without a status")
	errNoMessage   = errors.New("an answer without its message")
)

// notGRPC is an answer that is not one of gRPC.
type notGRPC struct{ status, contentType string }

func (e *notGRPC) Error() string {
	return "an answer that is no gRPC: HTTP status " + e.status + ", content type " + e.contentType
}

// check refuses an answer that is no gRPC.
func (c *call) check() error {
	if err := checkAnswer(c.answer); err != nil {
		return c.fault(err)
	}
	return nil
}

func checkAnswer(a *http.Response) error {
	if t := a.Header.Get("Content-Type"); a.StatusCode != http.StatusOK || !rpc.IsContentType([]byte(t)) {
		return &notGRPC{a.Status, t}
	}
	return nil
}

// statusOf is the status of an answer whose body was read to its end: it stands in the trailer, or in the header where there
// is no message.
func statusOf(a *http.Response) (rpc.Status, bool) {
	h := a.Trailer
	if h.Get("Grpc-Status") == "" {
		h = a.Header
	}
	return rpc.ParseStatus(h.Get("Grpc-Status"), h.Get("Grpc-Message"), h.Get("Grpc-Status-Details-Bin"))
}

// status is how the call ended. It is asked for when the body was read to its end.
func (c *call) status() (rpc.Status, error) {
	s, ok := statusOf(c.answer)
	if !ok {
		return s, c.fault(errNoStatus)
	}
	c.answered(s)
	return s, nil
}

// end ends the call, once; err is why it failed.
func (c *call) end(err error) {
	if c.over {
		return
	}
	c.over = true
	if c.stop != nil {
		c.stop()
	}
	if c.late != nil {
		c.late()
	} else {
		c.cancel(nil)
	}
	if c.quiet != nil {
		c.quiet.end()
	}
	if c.answer != nil {
		c.answer.Body.Close()
	}
	c.duration.Observe(c.now().Sub(c.start))
	if c.span.Recording() {
		c.describe()
	}
	c.letGo()
	c.span.End(err)
}

// letGo tells the host that the call is over.
func (c *call) letGo() {
	if c.via != nil {
		c.via.done()
		c.via = nil
	}
	if c.host != nil {
		c.host.Done()
		c.host = nil
	}
}

// describe names what OpenTelemetry's conventions for calls want to know.
func (c *call) describe() {
	service, method, _ := strings.Cut(c.path[1:], "/")
	c.span.SetText("rpc.system", "grpc")
	c.span.SetText("rpc.service", service)
	c.span.SetText("rpc.method", method)
	if c.host != nil {
		c.span.SetText("server.address", c.host.Link.address)
	}
	if c.answer == nil {
		return
	}
	if s, ok := statusOf(c.answer); ok {
		c.span.SetInt("rpc.grpc.status_code", int64(s.Code))
	}
}

// unavailable tells a status by which a host says that it is not well.
func unavailable(s rpc.Status) bool { return s.Code == codes.Unavailable }
