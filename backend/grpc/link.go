package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/pemfile"
	"github.com/sluiceapi/sluice/upstream"
)

const (
	// idleTime is how long a connection without calls is kept.
	idleTime = 2 * time.Minute
	// writeTime is how long a host may take nothing of what is written to it.
	writeTime = 30 * time.Second
	// maxMetadata is the size of the header, and of the trailer, of an answer.
	maxMetadata = 256 << 10
	// ahead is how much of an answer may come before it is read.
	ahead = 1 << 20
	// tellEvery is how often it is logged that a host gives no answer, so that a log is not filled while it does not.
	tellEvery = 10 * time.Second
)

// link is one host of the service, with its connections.
type link struct {
	address   string // host and port to connect to
	authority string
	name      string // of the certificate
	connect   time.Duration
	log       *slog.Logger
	transport atomic.Pointer[transport]
	// told is when it was last logged that the host gave no answer, in Unix nanoseconds of Env's clock.
	told atomic.Int64
}

// transport are the connections that were made with one config of TLS, nil without.
type transport struct {
	*http.Transport
	tls *tls.Config
}

// links are those of all hosts at the moment, and the config of TLS with which new ones begin; nil without TLS.
type links struct {
	mu   sync.Mutex
	all  map[*link]struct{}
	with *tls.Config
}

func (ls *links) add(l *link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all[l] = struct{}{}
	l.speak(ls.with)
}

func (ls *links) remove(l *link) {
	ls.mu.Lock()
	delete(ls.all, l)
	ls.mu.Unlock()
	l.transport.Load().CloseIdleConnections()
}

// speak has new connections of all hosts use a config of TLS.
func (ls *links) speak(with *tls.Config) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.with = with
	for l := range ls.all {
		l.speak(with)
	}
}

// renew gives a link other connections.
func (ls *links) renew(l *link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.speak(ls.with)
}

func newLink(w *Where, t upstream.Target, address string, log *slog.Logger) *link {
	l := &link{address: address, authority: net.JoinHostPort(t.Name, strconv.Itoa(int(t.Port))), name: t.Name, connect: w.Timeouts.Connect, log: log}
	if w.TLS != nil && w.TLS.ServerName != "" {
		l.name = w.TLS.ServerName
	}
	return l
}

// speak gives the link new connections; those that are open are closed after their calls.
func (l *link) speak(with *tls.Config) {
	var protocols http.Protocols
	protocols.SetHTTP2(with != nil)
	protocols.SetUnencryptedHTTP2(with == nil)
	t := &http.Transport{
		Protocols: &protocols, DisableCompression: true, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxMetadata,
		MaxIdleConns: 0, MaxIdleConnsPerHost: 1 << 10,
		HTTP2: &http.HTTP2Config{WriteByteTimeout: writeTime, MaxReceiveBufferPerStream: ahead},
	}
	var own *tls.Config
	if with == nil {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx, nil) }
	} else {
		own = with.Clone()
		own.ServerName = l.name
		own.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		t.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx, own) }
	}
	if old := l.transport.Swap(&transport{t, own}); old != nil {
		old.CloseIdleConnections()
	}
}

// dialError is why a host took no connection: nothing was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }

func (e *dialError) Unwrap() error { return e.err }

var errNoHTTP2 = errors.New("the host speaks no HTTP/2")

// dial opens a connection.
func (l *link) dial(ctx context.Context, with *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.connect)
	defer cancel()
	fault := func(err error) error { return &dialError{fmt.Errorf("connecting to %s: %w", l.address, err)} }
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", l.address)
	if err != nil {
		return nil, fault(err)
	}
	if with == nil {
		return raw, nil
	}
	secure := tls.Client(raw, with)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fault(fmt.Errorf("handshake: %w", err))
	}
	if secure.ConnectionState().NegotiatedProtocol != "h2" {
		raw.Close()
		return nil, fault(errNoHTTP2)
	}
	return secure, nil
}

// ping connects and closes the connection again.
func (l *link) ping(ctx context.Context) error {
	c, err := l.dial(ctx, l.transport.Load().tls)
	if err != nil {
		return err
	}
	return c.Close()
}

// tell logs why a host gave no answer, for clients do not learn it.
func (l *link) tell(now time.Time, err error) {
	last := l.told.Load()
	if now.UnixNano()-last >= int64(tellEvery) && l.told.CompareAndSwap(last, now.UnixNano()) {
		l.log.Warn("the service gave no usable answer", "host", l.address, "error", err)
	}
}

// versions are the lowest versions of TLS that can be asked for.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// secure has the links speak TLS, and again whenever a file changes, until the block is closed.
func (ls *links) secure(env *sluice.Env, t *TLS) error {
	follower, err := pemfile.Follow(env.Log, []string{string(t.CA), string(t.Cert), string(t.Key)}, func(content pemfile.Content) error {
		with, err := t.config(content)
		if err == nil {
			ls.speak(with)
		}
		return err
	})
	if err != nil {
		return err
	}
	env.Cleanup(follower.Close)
	return nil
}

// config is what is the same for all hosts.
func (t *TLS) config(content pemfile.Content) (c *tls.Config, err error) {
	c = &tls.Config{MinVersion: versions[t.MinVersion], NextProtos: []string{"h2"}}
	if t.CA != "" {
		if c.RootCAs, err = content.Authorities(string(t.CA)); err != nil {
			return nil, sluice.At("tls.ca", err)
		}
	}
	if t.Cert != "" {
		pair, err := content.Pair(string(t.Cert), string(t.Key))
		if err != nil {
			return nil, sluice.At("tls.cert", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
