package publish_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/publish"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Backend(t, sluicetest.BackendCase{
		Kind: publish.Kind, Where: "publish: \"memory:\"", Use: "publish:\n  to: q\nrespond:\n  status: 200\n  json:\n    taken: true",
		Route: "POST /a", Line: "POST /a", Body: "hello",
	})
}

// held is the kind with a broker that the test can look into.
func held(opened chan<- broker.Broker) sluice.Kind {
	type where = publish.Where
	return sluice.NewBackend("publish", where{Create: true, Timeout: time.Minute}, publish.Use{}, func(env *sluice.Env, w *where) (*publish.Backend, error) {
		o, err := publish.Kind.OpenBackend(env, w)
		if err != nil {
			return nil, err
		}
		b := o.Backend.(*publish.Backend)
		of, _ := b.Broker()
		opened <- of
		return b, nil
	})
}

func TestMessage(t *testing.T) {
	t.Parallel()
	opened := make(chan broker.Broker, 1)
	node := sluicetest.NodeWith(t, build.Options{Kinds: []sluice.Kind{held(opened)}}, `
		sluice: 1
		backends:
			events:
				publish: "memory:"
		endpoints:
			plain:
				route: POST /plain
				publish:
					to: q
			text:
				route: POST /text/{id}
				publish:
					to: q
					body: order {id}
					headers:
						Tenant: "{header.tenant}"
						none: "{header.none}"
			made:
				route: POST /made/{id}
				publish:
					to: q
					json:
						id: "{id}"
						count: "{body.count}"
					type: application/vnd.order+json
				respond:
					json:
						message: "{new_id}"
	`)
	b := <-opened
	message := func() (m broker.Message) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b.Consume(ctx, broker.Consumption{Queue: "q", Credit: 1, Take: func(d *broker.Delivery) bool {
			m = d.Message
			cancel()
			return true
		}})
		return m
	}
	if a := sluicetest.Do(node, sluicetest.Exchange(t, "POST /plain", "hello", "Content-Type: text/x-a")); a.Status != 202 || a.Body != "" || a.Err != nil {
		t.Errorf("got %+v", a)
	}
	if m := message(); string(m.Body) != "hello" || m.Type != "text/x-a" || m.ID == "" || len(m.Header) != 0 {
		t.Errorf("published %+v", m)
	}
	sluicetest.Do(node, sluicetest.Exchange(t, "POST /text/7", "", "Tenant: a"))
	if m := message(); string(m.Body) != "order 7" || m.Type != "text/plain; charset=utf-8" || len(m.Header) != 1 || m.Header[0] != (broker.Field{Name: "tenant", Value: "a"}) {
		t.Errorf("published %+v", m)
	}
	a := sluicetest.Do(node, sluicetest.Exchange(t, "POST /made/7", `{"count":3}`, "Content-Type: application/json"))
	if m := message(); string(m.Body) != `{"id":"7","count":3}` || m.Type != "application/vnd.order+json" || a.Body != `{"message":"`+m.ID+`"}` {
		t.Errorf("published %+v, answered %+v", m, a)
	}
}

// With a RabbitMQ that is away the answer is 503, without a queue too, and all is well again once it is there.
func TestAway(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	node := sluicetest.Node(t, `
		sluice: 1
		backends:
			events:
				publish:
					url: `+r.URL()+`
			strict:
				publish:
					url: `+r.URL()+`
					create: false
		endpoints:
			a:
				route: POST /a
				publish:
					backend: events
					to: orders
			b:
				route: POST /b
				publish:
					backend: strict
					to: nowhere
	`, publish.Kind)
	post := func(path string) sluicetest.Answer {
		return sluicetest.Do(node, sluicetest.Exchange(t, "POST "+path, "{}"))
	}
	if a := post("/a"); a.Status != 202 {
		t.Errorf("got %+v", a)
	}
	if a := post("/b"); sluice.ErrorOf(a.Err).Code != sluice.Unavailable || !strings.Contains(a.Err.Error(), "there is no such queue") {
		t.Errorf("without a queue: %+v", a)
	}
	r.Stop()
	if a := post("/a"); sluice.ErrorOf(a.Err).Code != sluice.Unavailable {
		t.Errorf("without a broker: %+v", a)
	}
	r.Restart()
	for until := time.Now().Add(time.Minute); ; <-time.After(50 * time.Millisecond) {
		a := post("/a")
		if a.Status == 202 && a.Err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("once it is there again: %+v", a)
		}
	}
}

// A broker that does not answer is waited for no longer than it was given.
func TestLate(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	node := sluicetest.Node(t, `
		sluice: 1
		backends:
			events:
				publish:
					url: `+r.URL()+`
					timeout: 100ms
		endpoints:
			a:
				route: POST /a
				publish:
					to: orders
	`, publish.Kind)
	post := func() sluicetest.Answer { return sluicetest.Do(node, sluicetest.Exchange(t, "POST /a", "{}")) }
	for until := time.Now().Add(time.Minute); post().Err != nil && time.Now().Before(until); {
	}
	r.Freeze()
	defer r.Thaw()
	if a := post(); sluice.ErrorOf(a.Err).Code != sluice.GatewayTimeout {
		t.Errorf("got %+v", a)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ backend, use, want string }{
		{`"http://h"`, "to: q", "backends.events.publish: *** does not fit; want amqp://"},
		{`"memory:"`, "backend: events", "endpoints.a.publish.to: this key is missing"},
		{`{url: "memory:", create: false}`, "to: q", "backends.events.publish.create: a queue in memory is made by whoever names it first"},
		{`{url: "amqp://h", ca: authorities.pem}`, "to: q", "backends.events.publish.ca: certificates are for TLS"},
		{`{url: "natss://h", ca: none.pem}`, "to: q", "backends.events.publish.ca: reading the authorities"},
		{`"memory:"`, "to: a b", `endpoints.a.publish.to: "a b" is no name of a queue`},
		{`"amqp://h"`, "to: amq.topic", "endpoints.a.publish.to: "},
		{`"memory:"`, "to: q\n\t\t\tbody: a\n\t\t\tjson: {}", "endpoints.a.publish.json: body and json both"},
	} {
		text := "sluice: 1\nbackends:\n\tevents:\n\t\tpublish: " + c.backend + "\nendpoints:\n\ta:\n\t\troute: POST /a\n\t\tpublish:\n\t\t\t" + c.use
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{publish.Kind}, Dry: true}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot %v\nwant %s", text, err, c.want)
		}
	}
	_, err := build.Make(sluicetest.Document(t, "sluice: 1\nnodes: 3\nstate:\n\tkeys: [k]\nbackends:\n\tevents:\n\t\tpublish: \"memory:\"\nendpoints:\n\ta:\n\t\troute: POST /a\n\t\tpublish:\n\t\t\tto: q"),
		build.Options{Kinds: []sluice.Kind{publish.Kind}, Dry: true}, nil)
	if err == nil || !strings.Contains(err.Error(), "backends.events.publish: *** does not fit; want the address of a broker") {
		t.Errorf("with several nodes: %v", err)
	}
}
