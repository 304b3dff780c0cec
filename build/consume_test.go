package build_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/publish"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// probe is a backend whose answers the test makes.
func probe(serve func(x *sluice.Exchange) error) sluice.Kind {
	type use struct {
		Text sluice.Template `yaml:"text,short"`
	}
	return sluice.NewBackend("probe", sluice.None{}, use{}, func(*sluice.Env, *sluice.None) (probes[use], error) {
		return func(u *use) sluice.Handler {
			return sluice.HandlerFunc(func(x *sluice.Exchange) error {
				x.Response.Header.Set("Text", string(u.Text.Append(nil, x)))
				return serve(x)
			})
		}, nil
	})
}

type probes[U any] func(*U) sluice.Handler

func (h probes[U]) Handle(_ *sluice.Env, _ *sluice.Endpoint, use *U) (sluice.Handler, error) {
	return h(use), nil
}

// working is a node that works, with a broker to look into.
type working struct {
	build.Switch
	kinds []sluice.Kind
	b     broker.Broker
}

func work(t *testing.T, text string, serve func(x *sluice.Exchange) error) *working {
	t.Helper()
	w := &working{}
	held := sluice.NewBackend("publish", publish.Where{Create: true, Timeout: time.Minute}, publish.Use{}, func(env *sluice.Env, where *publish.Where) (*publish.Backend, error) {
		o, err := publish.Kind.OpenBackend(env, where)
		if err != nil {
			return nil, err
		}
		b := o.Backend.(*publish.Backend)
		w.b, _ = b.Broker()
		return b, nil
	})
	w.kinds = []sluice.Kind{held, probe(serve)}
	w.swap(t, text)
	w.Work()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.Rest(ctx)
		w.Swap(nil)
	})
	return w
}

func (w *working) swap(t *testing.T, text string) {
	t.Helper()
	node, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: w.kinds}, w.Node())
	if err != nil {
		t.Fatal(err)
	}
	w.Swap(node)
}

func (w *working) publish(t *testing.T, queue string, messages ...broker.Message) {
	t.Helper()
	if err := w.b.Publish(t.Context(), queue, messages); err != nil {
		t.Fatal(err)
	}
}

// next is the next message of a queue.
func (w *working) next(t *testing.T, queue string) (m broker.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := w.b.Consume(ctx, broker.Consumption{Queue: queue, Credit: 1, Take: func(d *broker.Delivery) bool {
		if ctx.Err() != nil {
			return false
		}
		m = d.Message
		cancel()
		return true
	}})
	if err != nil || m.Body == nil {
		t.Fatalf("no message came to %s: %v", queue, err)
	}
	return m
}

func comes[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		t.Fatal("waited in vain")
	}
	return v
}

func fieldOf(m broker.Message, name string) string {
	for _, f := range m.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

const consuming = `
	sluice: 1
	backends:
		events:
			publish: "memory:"
	endpoints:
		note:
			routes:
				- POST /orders/{id}
				- consume events orders
			consume:
				attempts: 3
				backoff:
					base: 1ms
				headers: [Tenant]
			input:
				id:
					type: integer
				page:
					in: query
				trace:
					in: header
			probe: "{id} {page} {trace} {body.count}"
		plain:
			route: consume events plain
			consume:
				attempts: 1
				dead: buried
			input:
				name:
					required: true
			probe: "{name}"
`

// A message is a request of the endpoint: its fields are inputs, and what of its header is allowed comes with it.
func TestConsume(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 10)
	w := work(t, consuming, func(x *sluice.Exchange) error {
		r := &x.Request
		seen <- fmt.Sprintf("%s %s %s?%s %s tenant=%s secret=%s key=%s attempt=%s type=%s trace=%s route=%s", x.Endpoint.Name, r.Method, r.Path, r.Query,
			x.Response.Header.Value("Text"), r.Header.Value("tenant"), r.Header.Value("secret"), r.Header.Value("idempotency-key"),
			r.Header.Value("message-attempt"), r.Header.Value("content-type"), r.Header.Value("traceparent"), x.Route)
		return nil
	})
	w.publish(t, "orders", broker.Message{ID: "m1", Body: []byte(`{"id": 7, "page": "a b", "count": 2}`), Header: []broker.Field{
		{Name: "tenant", Value: "t"}, {Name: "secret", Value: "s"}, {Name: "Trace", Value: "x"}, {Name: "traceparent", Value: "00-1"}}})
	if got, want := comes(t, seen), "note POST /orders/7?page=a+b 7 a b x 2 tenant=t secret= key=m1 attempt=1 type=application/json trace=00-1 route=consume events orders"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.publish(t, "plain", broker.Message{Type: "text/json", Body: []byte(`{"name": "é/.."}`)})
	if got, want := comes(t, seen), "plain POST /plain? é/.. tenant= secret= key= attempt=1 type=text/json trace= route=consume events plain"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if a := sluicetest.Do(w, sluicetest.Exchange(t, "POST /orders/9?page=1", `{"count":1}`, "content-type: application/json")); a.Err != nil {
		t.Errorf("by HTTP: %+v", a)
	}
	if got := comes(t, seen); !strings.HasPrefix(got, "note POST /orders/9?page=1 9 1  1 ") {
		t.Errorf("by HTTP: %s", got)
	}
}

// What a retry may mend is tried again, and what is given up is found among the dead with the reason.
func TestConsumeFails(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	tries := map[string]int{}
	w := work(t, consuming, func(x *sluice.Exchange) error {
		mu.Lock()
		defer mu.Unlock()
		id := string(x.Input(0).AppendText(nil))
		switch tries[id]++; {
		case id == "1" && tries[id] < 3:
			x.Response.Status = 503
		case id == "2":
			return sluice.Errorf(sluice.BadGateway, nil, "it is away")
		case id == "3":
			x.Response.Status = 422
		case id == "4":
			panic("no")
		}
		return nil
	})
	w.publish(t, "orders", broker.Message{ID: "a", Body: []byte(`{"id":1,"count":0}`)}, broker.Message{ID: "b", Body: []byte(`{"id":2}`)})
	m := w.next(t, "orders.dead")
	if m.ID != "b" || fieldOf(m, "dead-attempts") != "3" || fieldOf(m, "dead-queue") != "orders" || fieldOf(m, "dead-reason") != "bad_gateway: it is away" {
		t.Errorf("dead: %+v", m)
	}
	for body, want := range map[string]string{
		`{"id":3}`:     "1 it was answered with 422",
		`{"id":"x"}`:   "1 bad_request: ",
		`{"page":"x"}`: "1 bad_request: ",
		`{"id":[1]}`:   "1 bad_request: ",
		`not JSON`:     "1 bad_request: the message is no JSON object",
		`{"id":4}`:     "3 internal: ",
	} {
		w.publish(t, "orders", broker.Message{Body: []byte(body)})
		if m := w.next(t, "orders.dead"); string(m.Body) != body || !strings.HasPrefix(fieldOf(m, "dead-attempts")+" "+fieldOf(m, "dead-reason"), want) {
			t.Errorf("dead: %s %v\nwant %s with %s", m.Body, m.Header, body, want)
		}
	}
	w.publish(t, "plain", broker.Message{Body: []byte(`{}`)})
	if m := w.next(t, "buried"); string(m.Body) != "{}" {
		t.Errorf("dead: %+v", m)
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); <-time.After(time.Millisecond) {
		mu.Lock()
		n := tries["1"]
		mu.Unlock()
		if n == 3 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if tries["1"] != 3 || tries["2"] != 3 || tries["3"] != 1 || tries["4"] != 3 {
		t.Errorf("tries %v", tries)
	}
}

// A node that is replaced finishes what it has begun, and the next one takes over its queues.
func TestConsumeReload(t *testing.T) {
	t.Parallel()
	seen, release := make(chan string, 10), make(chan struct{})
	w := work(t, consuming, func(x *sluice.Exchange) error {
		seen <- string(x.Input(0).AppendText(nil))
		<-release
		return nil
	})
	w.publish(t, "orders", broker.Message{Body: []byte(`{"id":1}`)})
	comes(t, seen)
	w.swap(t, strings.Replace(consuming, "attempts: 3", "attempts: 4", 1))
	w.publish(t, "orders", broker.Message{Body: []byte(`{"id":2}`)})
	if got := comes(t, seen); got != "2" {
		t.Errorf("%s came, want what came after the reload", got)
	}
	close(release)
	rested, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.Rest(rested)
	if n, err := w.b.Depth(t.Context(), "orders"); n != 0 || err != nil || len(seen) > 0 {
		t.Errorf("%d wait, %d came, %v", n, len(seen), err)
	}
}

// What cannot be finished while the process stops goes back into the queue.
func TestConsumeStops(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 1)
	w := work(t, consuming, func(x *sluice.Exchange) error {
		began <- struct{}{}
		<-x.Context().Done()
		return x.Context().Err()
	})
	w.publish(t, "orders", broker.Message{Body: []byte(`{"id":1}`)})
	comes(t, began)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.Rest(ended)
	if n, err := w.b.Depth(t.Context(), "orders"); n != 1 || err != nil {
		t.Errorf("%d wait, %v; want the one that was given back", n, err)
	}
}

// A RabbitMQ that is started again in between loses no message.
func TestConsumeAMQP(t *testing.T) {
	t.Parallel()
	const many = 40
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	var mu sync.Mutex
	seen := map[string]bool{}
	half, all := make(chan struct{}), make(chan struct{})
	w := work(t, strings.Replace(consuming, "memory:", r.URL(), 1), func(x *sluice.Exchange) error {
		mu.Lock()
		defer mu.Unlock()
		id := string(x.Input(0).AppendText(nil))
		if !seen[id] {
			seen[id] = true
			switch len(seen) {
			case many / 2:
				close(half)
			case many:
				close(all)
			}
		}
		return nil
	})
	publish := func(from, to int) {
		var messages []broker.Message
		for i := from; i < to; i++ {
			messages = append(messages, broker.Message{Body: fmt.Appendf(nil, `{"id":%d}`, i)})
		}
		w.publish(t, "orders", messages...)
	}
	publish(0, many/2)
	comes(t, half)
	r.Stop()
	r.Restart()
	for until := time.Now().Add(time.Minute); w.b.Publish(t.Context(), "orders", nil) != nil || w.b.Ping(t.Context()) != nil; <-time.After(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("RabbitMQ is not reached again")
		}
	}
	publish(many/2, many)
	comes(t, all)
}

func TestMistakesOfConsume(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ endpoint, want string }{
		{"route: consume events\n\t\tprobe: a", `endpoints.a.route: "consume events" names no queue; want consume, an entry under backends, and a queue of it`},
		{"route: consume evnts orders\n\t\tprobe: a", "endpoints.a.route: there is no evnts under backends; did you mean events?"},
		{"route: consume other orders\n\t\tprobe: a", "endpoints.a.route: there is no other under backends; want an entry with publish there"},
		{"route: GET /\n\t\tconsume:\n\t\t\tattempts: 2\n\t\tprobe: a", "endpoints.a.consume: no route of the endpoint takes messages"},
		{"route: consume events q\n\t\tconsume:\n\t\t\tdead: q\n\t\tprobe: a", "endpoints.a.route: messages that are given up go to the queue that they come from"},
		{"route: consume events q\n\t\tconsume:\n\t\t\tattempts: 100\n\t\tprobe: a", "endpoints.a.consume.attempts: with this timeout and backoff a message is held for up to"},
		{"route: consume events q\n\t\tconsume:\n\t\t\tbackoff:\n\t\t\t\tbase: 2m\n\t\tprobe: a", "endpoints.a.consume.backoff.cap: it is less than base"},
		{"route: consume events q\n\t\tprobe: \"{id}\"", "unknown name \"id\""},
		{"route: consume events q\n\t\tpolicies:\n\t\t\t- jwt:\n\t\t\t\t\tissuer: i\n\t\t\t\t\taudience: a\n\t\t\t\t\tsecret: 0123456789abcdef0123456789abcdef\n\t\tprobe: a", "endpoints.a.route: nobody asks for a message, and jwt of the endpoint needs who asks"},
		{"routes:\n\t\t\t- consume events q\n\t\t\t- consume events  q\n\t\tprobe: a", "endpoints.a.routes[1]: the messages of q go to the endpoint a already"},
	} {
		text := "sluice: 1\nbackends:\n\tevents:\n\t\tpublish: \"memory:\"\nendpoints:\n\ta:\n\t\t" + c.endpoint + "\n"
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{publish.Kind, jwt.Kind, probe(nil)}, Dry: true}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot %v\nwant %s", text, err, c.want)
		}
	}
}

// What becomes of messages is counted, and whether they come.
func TestConsumeMetrics(t *testing.T) {
	t.Parallel()
	metrics := observe.NewMetrics()
	seen := make(chan struct{}, 10)
	node, err := build.Make(sluicetest.Document(t, `
		sluice: 1
		backends:
			events:
				publish: "memory:"
		endpoints:
			place:
				route: POST /orders
				publish:
					to: orders
			keep:
				route: consume events orders
				input:
					id:
						required: true
				probe: a
	`), build.Options{Metrics: metrics, Kinds: []sluice.Kind{publish.Kind, probe(func(*sluice.Exchange) error { seen <- struct{}{}; return nil })}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var nodes build.Switch
	nodes.Swap(node)
	defer nodes.Swap(nil)
	nodes.Work()
	for _, body := range []string{`{"id":1}`, `{"id":2}`, `{}`} {
		sluicetest.Do(&nodes, sluicetest.Exchange(t, "POST /orders", body))
	}
	comes(t, seen)
	comes(t, seen)
	text := func() string {
		var b strings.Builder
		if err := metrics.Expose(&b, metrics.ContentType("text/plain")); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, want := range []string{
		`sluice_messages_published_total{endpoint="place",outcome="confirmed",queue="orders"} 3`,
		`sluice_messages_consumed_total{endpoint="keep",outcome="done",queue="orders"} 2`,
		`sluice_messages_consumed_total{endpoint="keep",outcome="dead",queue="orders"} 1`,
		`sluice_consumer_up{endpoint="keep",queue="orders"} 1`,
	} {
		for until := time.Now().Add(30 * time.Second); !strings.Contains(text(), want); <-time.After(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("no %s in\n%s", want, text())
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nodes.Rest(ctx)
	if want := `sluice_consumer_up{endpoint="keep",queue="orders"} 0`; !strings.Contains(text(), want) {
		t.Errorf("no %s", want)
	}
}

// One trace leads from the request that published a message to what has worked on it.
func TestConsumeTrace(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	spans := map[string]*otlp.Span{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var got collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range got.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, span := range s.Spans {
					spans[span.Name] = span
				}
			}
		}
	}))
	defer server.Close()
	o, err := observe.New(observe.Options{Log: slog.New(slog.DiscardHandler), Metrics: observe.NewMetrics(), Now: time.Now,
		Traces: observe.Traces{Endpoint: server.URL + "/otlp", Sample: 1, Service: "shop"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{}, 1)
	text := `
		sluice: 1
		backends:
			events:
				publish: "memory:"
		endpoints:
			place:
				route: POST /orders
				publish:
					to: orders
			keep:
				route: consume events orders
				probe: a
	`
	node, err := build.Make(sluicetest.Document(t, text), build.Options{Observe: o.Handler, ObserveWork: o.Work,
		Kinds: []sluice.Kind{publish.Kind, probe(func(*sluice.Exchange) error { seen <- struct{}{}; return nil })}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var nodes build.Switch
	nodes.Swap(node)
	nodes.Work()
	sluicetest.Do(&nodes, sluicetest.Exchange(t, "POST /orders", "{}"))
	comes(t, seen)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nodes.Rest(ctx)
	nodes.Swap(nil)
	if err := o.Close(ctx); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	request, send, process := spans["POST /orders"], spans["send orders"], spans["process keep"]
	if request == nil || send == nil || process == nil {
		t.Fatalf("spans %v", slices.Collect(maps.Keys(spans)))
	}
	if send.Kind != otlp.Span_SPAN_KIND_PRODUCER || process.Kind != otlp.Span_SPAN_KIND_CONSUMER {
		t.Errorf("kinds %v and %v", send.Kind, process.Kind)
	}
	if !bytes.Equal(send.ParentSpanId, request.SpanId) || !bytes.Equal(process.ParentSpanId, send.SpanId) || !bytes.Equal(process.TraceId, request.TraceId) {
		t.Errorf("%x has parent %x, %x has parent %x", send.SpanId, send.ParentSpanId, process.SpanId, process.ParentSpanId)
	}
}
