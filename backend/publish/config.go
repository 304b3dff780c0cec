package publish

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

// Where names a message broker. Endpoints publish to its queues, and take messages from them by routes such as
// `consume events orders`.
//
//	backends:
//	  events:
//	    publish:
//	      url: "amqp://user:${PASSWORD}@rabbit:5672"
type Where struct {
	// The address: amqp://user:password@host:5672/vhost for RabbitMQ, kafka://user:password@host:9092 for Kafka,
	// nats://user:password@host:4222 for NATS with JetStream; an s after the scheme (amqps://, kafkas://, natss://) is for
	// TLS. User, password and virtual host stand where they are needed; in them, % and letters such as # ? / and @ are
	// written %25, %23, %3F, %2F and %40. Several hosts with commas between them are those of a cluster. Kafka can be told
	// the consumer group (?group=sluice-QUEUE), how user and password are told (?sasl=plain, scram-sha-256 or
	// scram-sha-512) and how many partitions a topic gets that is made (?partitions=8); NATS how many servers keep a stream
	// that is made (?replicas=1). `memory:` keeps queues within the process, and loses them with it.
	URL sluice.Secret `yaml:"url,short" required:"true"`
	// Make a queue that is not there: in RabbitMQ a quorum queue, in Kafka a topic, in NATS a stream of the work queue sort
	// with the queue as its subject, all of which outlive a restart. Without it, to publish to a
	// queue that is not there is answered with 503, and a route waits until somebody has made its queue. A queue that is
	// there is taken as it is.
	Create bool `yaml:"create"`
	// The longest time that a request waits until the broker has confirmed its message.
	Timeout time.Duration `yaml:"timeout" min:"1ms" max:"5m"`
	// Certificates of the authorities that vouch for the broker's certificate; left out, those of the machine.
	CA sluice.Path `yaml:"ca"`
	// The certificate to show the broker, with the key in `key`.
	Cert sluice.Path `yaml:"cert"`
	// The private key of `cert`.
	Key sluice.Path `yaml:"key"`
}

// Check wants a certificate with its key.
func (w *Where) Check() error {
	if (w.Cert == "") != (w.Key == "") {
		return sluice.At("cert", errors.New("a certificate needs its key; want cert and key, or none of them"))
	}
	return nil
}

// NodeBound tells of queues in memory.
func (w *Where) NodeBound() string {
	if w.URL == "memory:" {
		return "queues in memory are seen by one node alone; want the address of a broker, such as amqp://host:5672"
	}
	return ""
}

// Use publishes a message and answers 202 once the broker has confirmed it: it is kept where the broker keeps messages,
// and is given to who consumes at least once. Its id is the reference new_id.
//
//	endpoints:
//	  place_order:
//	    route: POST /orders
//	    publish:
//	      backend: events
//	      to: orders
//	      headers:
//	        tenant: "{caller.claims.tenant}"
type Use struct {
	// The entry under backends; left out where there is only one of the kind.
	Backend string `yaml:"backend"`
	// The queue.
	To string `yaml:"to" required:"true"`
	// The body of the message, as text with references in braces; {{ is a brace. Without body and json it is the request's.
	Body sluice.Template `yaml:"body"`
	// The body of the message as JSON; a string in it that is one reference becomes the value with its type.
	JSON sluice.JSONTemplate `yaml:"json"`
	// The media type of the body. Left out, it is application/json with json, text/plain; charset=utf-8 with body, else the
	// request's.
	Type string `yaml:"type"`
	// Fields of the message's header. Values may hold references in braces; one that comes out empty is left out. The trace
	// context is always there.
	Headers sluice.Map[sluice.Template] `yaml:"headers" names:"header"`
}

// Check refuses two bodies.
func (u *Use) Check() error {
	if !u.Body.IsZero() && !u.JSON.IsZero() {
		return sluice.At("json", errors.New("body and json both say what is published; want one of them"))
	}
	return nil
}
