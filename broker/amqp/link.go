package amqp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceapi/sluice/broker"
)

// The times of a connection: for making it, for one write, and between heartbeats, of which three that are missed end it.
const (
	dialTime  = 10 * time.Second
	writeTime = 10 * time.Second
	heartbeat = 5 * time.Second
)

// link is a connection that is made when it is first needed, and again when it was lost.
type link struct {
	address broker.Address
	options broker.Options
	// purpose is what the server's tools show of it.
	purpose string

	mu      sync.Mutex // guards what follows
	conn    *amqp.Connection
	dialing *dialing
	closed  bool
	// running counts what follows connections and makes them; nothing is added to it once closed is set.
	running sync.WaitGroup
	// blocked is set while the server takes nothing from publishers, for want of memory or disk.
	blocked atomic.Bool
}

// dialing is a connection being made, which all that need it wait for.
type dialing struct {
	done chan struct{}
	conn *amqp.Connection
	err  error
}

// open is the connection, made anew where it is not there.
func (l *link) open(ctx context.Context) (*amqp.Connection, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, broker.ErrClosed
	}
	if l.conn != nil && !l.conn.IsClosed() {
		defer l.mu.Unlock()
		return l.conn, nil
	}
	d := l.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		l.dialing = d
		l.running.Go(func() { l.dial(d) })
	}
	l.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, fmt.Errorf("connecting to RabbitMQ: %w", context.Cause(ctx))
	}
}

func (l *link) dial(d *dialing) {
	conn, err := l.connect()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialing = nil
	switch {
	case err != nil:
		d.err = fmt.Errorf("connecting to RabbitMQ: %w", err)
	case l.closed:
		conn.CloseDeadline(time.Now())
		d.err = broker.ErrClosed
	default:
		l.conn, d.conn = conn, conn
		l.watch(conn)
	}
	close(d.done)
}

// connect tries the hosts in any order.
func (l *link) connect() (*amqp.Connection, error) {
	a := &l.address
	until := time.Now().Add(dialTime)
	config := amqp.Config{Heartbeat: heartbeat, Vhost: a.Path, Properties: amqp.Table{"connection_name": "sluice " + l.purpose},
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: a.User, Password: a.Password}},
		Dial: func(network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{Deadline: until}).Dial(network, address)
			if err != nil {
				return nil, err
			}
			// The library clears it once the handshake is over.
			if err := c.SetDeadline(until); err != nil {
				c.Close()
				return nil, err
			}
			return timed{c}, nil
		}}
	scheme := "amqp://"
	if a.TLS {
		scheme, config.TLSClientConfig = "amqps://", l.options.Encryption()
	}
	var errs []error
	for _, i := range rand.Perm(len(a.Hosts)) {
		conn, err := amqp.DialConfig(scheme+a.Hosts[i], config)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", a.Hosts[i], err))
	}
	return nil, errors.Join(errs...)
}

// watch follows whether the server takes what is published; it ends with the connection.
func (l *link) watch(conn *amqp.Connection) {
	l.blocked.Store(false)
	changes := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	l.running.Go(func() {
		for b := range changes {
			l.blocked.Store(b.Active)
		}
	})
}

// close ends the connection. With an ended context it does not wait for the server.
func (l *link) close(ctx context.Context) error {
	l.mu.Lock()
	conn := l.conn
	l.closed = true
	l.mu.Unlock()
	defer l.running.Wait()
	if conn == nil || conn.IsClosed() {
		return nil
	}
	until := time.Now()
	if ctx.Err() == nil {
		until = until.Add(writeTime)
		if deadline, set := ctx.Deadline(); set && deadline.Before(until) {
			until = deadline
		}
	}
	if err := conn.CloseDeadline(until); err != nil && ctx.Err() == nil && !errors.Is(err, amqp.ErrClosed) {
		return fmt.Errorf("closing the connection to RabbitMQ: %w", err)
	}
	return nil
}

// timed bounds each write, which would else wait for ever for a server that reads nothing.
type timed struct{ net.Conn }

func (t timed) Write(p []byte) (int, error) {
	if err := t.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}
