package grpc

import (
	"io"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// handler makes calls of the requests of one endpoint.
type handler struct {
	*backend
	ep      *sluice.Endpoint
	use     *Use
	maxBody int64
	plan    atomic.Pointer[plan] // nil while the method is not known
}

var errNotKnown = &sluice.Error{Code: sluice.Unavailable, Message: "the backend has not been reached yet"}

// Serve answers x with what the service answers.
func (h *handler) Serve(x *sluice.Exchange) error {
	p := h.plan.Load()
	if p == nil {
		return errNotKnown
	}
	if p.err != nil {
		return sluice.Errorf(sluice.Internal, p.err, "")
	}
	frame, err := h.frame(p, x)
	if err != nil {
		return err
	}
	if p.method.ServerStreams {
		return h.stream(x, p, frame)
	}
	c := h.begin(x, "/"+p.method.Name, h.where.Timeouts.Whole)
	err = h.call(c, p, frame)
	c.end(err)
	return err
}

// frame is the message of the call as it is sent.
func (h *handler) frame(p *plan, x *sluice.Exchange) ([]byte, error) {
	m, err := p.message(x, h.maxBody)
	if err != nil {
		return nil, err
	}
	frame, err := m.AppendWire(make([]byte, rpc.PrefixSize, 256))
	if err != nil {
		return nil, sluice.Errorf(sluice.BadRequest, nil, "%s", err)
	}
	if size := int64(len(frame) - rpc.PrefixSize); size > int64(h.where.MaxMessage) {
		return nil, sluice.Errorf(sluice.TooLarge, nil, "the message is larger than %s", h.where.MaxMessage)
	}
	rpc.SetPrefix(frame)
	return frame, nil
}

func (h *handler) header(x *sluice.Exchange, span sluice.Span) (http.Header, error) {
	header := metadata(x, span, metadataName)
	header["Content-Type"] = []string{rpc.ContentType}
	header["Grpc-Accept-Encoding"] = []string{rpc.Gzip}
	return header, setMetadata(header, h.use, x)
}

// call makes the call and the answer.
func (h *handler) call(c *call, p *plan, frame []byte) error {
	header, err := h.header(c.x, c.span)
	if err != nil {
		return err
	}
	if err := c.send(header, content{bytes: frame}); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	wire, there, err := h.one(c)
	if err != nil {
		return err
	}
	s, err := c.status()
	if err != nil {
		return err
	}
	if s.Code != codes.OK {
		return s.Fault(p.schema)
	}
	if !there {
		return c.fault(errNoMessage)
	}
	r := &c.x.Response
	json, err := p.method.Out.AppendJSON(r.Body.Buffer(), wire, form)
	if err != nil {
		return sluice.Errorf(sluice.BadGateway, err, "the backend gave no usable answer")
	}
	passMetadata(&r.Header, c.answer.Header)
	r.Header.Set("Content-Type", "application/json")
	r.Body.SetBuffer(json)
	return nil
}

// form is the JSON of answers: that of proto3.
var form = rpc.Form{}

// one reads the one message of an answer; there tells whether there is one.
func (h *handler) one(c *call) (wire []byte, there bool, err error) {
	frames := rpc.NewReader(c.answer.Body, c.answer.Header.Get("Grpc-Encoding"), int64(h.where.MaxMessage))
	wire, err = frames.Next()
	if err == io.EOF {
		return nil, false, nil
	}
	if err == nil {
		err = frames.End()
	}
	if err != nil {
		return nil, false, c.fault(unusable(err))
	}
	return wire, true, nil
}

// unusable is an error of reading messages, which the service is to blame for.
func unusable(err error) error {
	if e, ok := err.(*sluice.Error); ok {
		return &badMessages{e}
	}
	return err
}

// badMessages is what is wrong with the messages of an answer. It does not unwrap: the fault is not the client's.
type badMessages struct{ fault *sluice.Error }

func (e *badMessages) Error() string { return "the messages of its answer: " + e.fault.Message }

// passMetadata gives the fields of an answer's header to the response.
func passMetadata(to *sluice.Header, from http.Header) {
	for name, values := range from {
		if metadataName(name) && name != "Date" {
			for _, v := range values {
				to.Add(name, v)
			}
		}
	}
}
