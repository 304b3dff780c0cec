package grpc

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

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
	// maxConns is how many connections to a host are kept. One takes as many calls at once as the host says, often 100 or more.
	maxConns = 1 << 10
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
	l.now().leave()
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
	if old := l.transport.Swap(newTransport(l, with)); old != nil {
		old.leave()
	}
}

// now are the connections of the moment.
func (l *link) now() *transport { return l.transport.Load() }

// begin begins a call over the connections of the moment, which its caller tells when it is over.
func (l *link) begin() *transport {
	for {
		t := l.now()
		if t.begin() || t == l.now() {
			return t
		}
		t.done() // it has just been replaced
	}
}

// tell logs why a host gave no answer, for clients do not learn it.
func (l *link) tell(now time.Time, err error) {
	last := l.told.Load()
	if now.UnixNano()-last >= int64(tellEvery) && l.told.CompareAndSwap(last, now.UnixNano()) {
		l.log.Warn("the service gave no usable answer", "host", l.address, "error", err)
	}
}
