// Package publish puts messages into queues of a message broker.
package publish

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/scheme"
)

//go:embed config.go
var source string

// Kind is the backend `publish`.
var Kind = sluice.NewBackend("publish", Where{Create: true, Timeout: 5 * time.Second}, Use{}, open, sluice.Manual(source))

// Backend publishes to the queues of one broker. It is a broker.Holder.
type Backend struct {
	broker  broker.Broker
	address broker.Address
	timeout time.Duration
}

// closeTime is how long the end of the backend waits for what the broker is still to confirm.
const closeTime = 5 * time.Second

func open(env *sluice.Env, w *Where) (*Backend, error) {
	a, err := broker.ParseAddress(string(w.URL))
	if err != nil {
		return nil, sluice.At("url", err)
	}
	if a.Scheme == "memory" && !w.Create {
		return nil, sluice.At("create", errors.New("a queue in memory is made by whoever names it first; want create: true, or the key left out"))
	}
	tls, err := a.Encrypted(string(w.CA), string(w.Cert), string(w.Key))
	if err != nil {
		return nil, err
	}
	b, err := scheme.Open(a, broker.Options{Create: w.Create, TLS: tls})
	if err != nil {
		return nil, sluice.At("url", err)
	}
	env.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			env.Log.Warn("the broker is not closed as it should be", "error", err)
		}
	})
	return &Backend{broker: b, address: a, timeout: w.Timeout}, nil
}

// Broker is the broker with its address.
func (b *Backend) Broker() (broker.Broker, broker.Address) { return b.broker, b.address }

// Ping tells whether the broker can be reached now.
func (b *Backend) Ping(ctx context.Context) error { return b.broker.Ping(ctx) }

// Handle makes the handler of one endpoint.
func (b *Backend) Handle(env *sluice.Env, _ *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	if err := b.address.CheckQueue(use.To); err != nil {
		return nil, sluice.At("to", err)
	}
	p := &publisher{Backend: b, use: use, limit: env.MaxBody, span: "send " + use.To, system: system(b.address.Scheme)}
	for i, outcome := range [...]string{"confirmed", "failed"} {
		p.counts[i] = env.Metrics.Counter("sluice_messages_published_total", "Messages that were published, by whether the broker has confirmed them.",
			sluice.Label{Name: "endpoint", Value: env.Name}, sluice.Label{Name: "queue", Value: use.To}, sluice.Label{Name: "outcome", Value: outcome})
	}
	return p, nil
}

// system is what OpenTelemetry's semantic conventions call a broker.
func system(scheme string) string {
	if scheme == "amqp" {
		return "rabbitmq"
	}
	return scheme
}

// publisher publishes the messages of one endpoint.
type publisher struct {
	*Backend
	use          *Use
	limit        int64
	span, system string
	counts       [2]sluice.Counter
}

// Serve publishes a message and waits until the broker has confirmed it.
func (p *publisher) Serve(x *sluice.Exchange) error {
	m, err := p.message(x)
	if err != nil {
		return err
	}
	span := x.Send(p.span)
	if span.Recording() {
		span.SetText("messaging.system", p.system)
		span.SetText("messaging.operation.type", "send")
		span.SetText("messaging.destination.name", p.use.To)
		span.SetText("messaging.message.id", m.ID)
	}
	var trace sluice.Header
	span.Inject(&trace)
	for _, f := range trace.Fields() {
		m.Header = append(m.Header, broker.Field{Name: strings.ToLower(string(f.Name)), Value: string(f.Value)})
	}
	ctx, cancel := context.WithTimeoutCause(x.Context(), p.timeout, errLate)
	err = p.broker.Publish(ctx, p.use.To, []broker.Message{m})
	cancel()
	span.End(err)
	if err != nil {
		p.counts[1].Add(1)
		return failed(x, err)
	}
	p.counts[0].Add(1)
	x.Response.Status = 202
	return nil
}

var errLate = errors.New("the broker has not confirmed it in time")

// retryAfter is when a client may try again while the broker is away.
const retryAfter = 2 * time.Second

// failed is what a client may know of a message that was not confirmed.
func failed(x *sluice.Exchange, err error) error {
	switch {
	case x.Context().Err() != nil:
		return fmt.Errorf("publishing: %w", err)
	case errors.Is(err, errLate), errors.Is(err, context.DeadlineExceeded):
		return &sluice.Error{Code: sluice.GatewayTimeout, Message: "the message was not confirmed in time; it may be published all the same", Err: err}
	}
	return &sluice.Error{Code: sluice.Unavailable, Message: "messages cannot be published now", RetryAfter: retryAfter, Err: err}
}

// message is what is published of an exchange. It shares no memory with it.
func (p *publisher) message(x *sluice.Exchange) (m broker.Message, err error) {
	m = broker.Message{ID: string(x.NewID()), Type: p.use.Type}
	byDefault := ""
	switch {
	case !p.use.JSON.IsZero():
		m.Body, byDefault = p.use.JSON.AppendJSON(nil, x), "application/json"
	case !p.use.Body.IsZero():
		m.Body, byDefault = p.use.Body.Append(nil, x), "text/plain; charset=utf-8"
	default:
		body, err := x.Request.Body.Load(p.limit)
		if err != nil {
			return m, err
		}
		m.Body, byDefault = append([]byte{}, body...), string(x.Request.Header.Value("Content-Type"))
	}
	if m.Type == "" {
		m.Type = byDefault
	}
	for i := range p.use.Headers {
		h := &p.use.Headers[i]
		value, err := h.Value.AppendField(nil, x)
		if err != nil {
			return m, err
		}
		if len(value) > 0 {
			m.Header = append(m.Header, broker.Field{Name: strings.ToLower(h.Name), Value: string(value)})
		}
	}
	return m, nil
}
